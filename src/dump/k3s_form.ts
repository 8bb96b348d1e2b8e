/**
 * The bundle of k3s's diagnostics.sh, byte for byte (k3s contrib/util/diagnostics.sh): names, the environment it listens
 * to, and the three lines that open it.
 */
import { createHmac, createPublicKey, type Hmac, type KeyObject, randomBytes } from "node:crypto";
import { basename } from "node:path";
import { UsageError } from "../pipeline/errors.ts";

/** What the script calls "secret metadata": AES-256-CBC's key and initial value, and a salt that openssl passes over. */
export interface K3sSecrets {
  /** 8 bytes */
  readonly salt: Uint8Array;
  /** 32 bytes */
  readonly key: Uint8Array;
  /** 16 bytes */
  readonly iv: Uint8Array;
}

/** What one bundle is called, and what it is encrypted with. */
export interface K3sForm {
  /** Upper case, as the script has it. */
  readonly uuid: string;
  /** `k3s-diagnostics-<UUID>-<8 letters or digits>`: the top folder, and the file's name before `.tar.gz`; has no dot. */
  readonly base: string;
  readonly secrets: K3sSecrets;
  /** RSA key that the secrets are encrypted to; undefined where none is known: the secrets must then be told otherwise. */
  readonly publicKey: KeyObject | undefined;
  /** Where the script would upload to. */
  readonly uploadUrl: string;
  /** Folder for what must wait on disk, always encrypted. */
  readonly temporaryFolder: string;
  /** A folder gathered before, that shall be uploaded. */
  readonly diagnosticsFolder: string | undefined;
}

/**
 * The form as the script's environment asks for it: UUID, salt, key, iv (hexadecimal), PUBKEY (PEM text), BUCKET_NAME,
 * DIAGPROG, DIAGDIR, TMPDIR; what is not set is made at random. @throws {UsageError} for what cannot be used
 */
export function readK3sForm(variable: (name: string) => string | undefined): K3sForm {
  const read = (name: string): string | undefined => variable(name) || undefined;
  const program = read("DIAGPROG") ?? "k3s";
  if (!/^[A-Za-z0-9_-]{1,40}$/.test(program)) {
    throw new UsageError(`DIAGPROG: "${program}" is no name of a program (letters, digits, - and _)`);
  }
  const uuid = (read("UUID") ?? crypto.randomUUID()).toUpperCase();
  if (!/^[A-Z0-9_-]{1,64}$/.test(uuid)) throw new UsageError("UUID: at most 64 letters, digits, - and _");
  const bucket = read("BUCKET_NAME") ?? `${program}-diagnostic-logs`;
  if (!/^[A-Za-z0-9._-]{1,222}$/.test(bucket)) throw new UsageError(`BUCKET_NAME: "${bucket}" is no name of a bucket`);
  const publicKey = read("PUBKEY");
  const folder = read("DIAGDIR");
  return {
    uuid,
    base: folder === undefined ? `${program}-diagnostics-${uuid}-${randomLetters(8)}` : nameOfFolder(folder),
    secrets: {
      salt: hexOrRandom("salt", read("salt"), 8),
      key: hexOrRandom("key", read("key"), 32),
      iv: hexOrRandom("iv", read("iv"), 16),
    },
    publicKey: publicKey === undefined ? undefined : readPublicKey(publicKey),
    uploadUrl: `https://storage.googleapis.com/${bucket}/`,
    temporaryFolder: read("TMPDIR") ?? "/tmp",
    diagnosticsFolder: folder,
  };
}

/** `salt=…`, `key=…` and `iv=…`, each on a line, in lower-case hexadecimal: 127 bytes. */
export function encodeK3sSecrets({ salt, key, iv }: K3sSecrets): string {
  return `salt=${salt.toHex()}\nkey=${key.toHex()}\niv=${iv.toHex()}\n`;
}

/** What the script prints where the secrets do not go along; without it nobody can open the bundle. */
export function k3sSecretsNotice(secrets: K3sSecrets): string {
  return `Save secret metadata for log decryption:\n${encodeK3sSecrets(secrets)}`;
}

/** Inverse of {@linkcode encodeK3sSecrets}; undefined when the text is something else. The salt may be missing: nothing needs it. */
export function decodeK3sSecrets(text: string): K3sSecrets | undefined {
  const value = (name: string, length: number): string | undefined =>
    new RegExp(`^${name}=([0-9a-fA-F]{${2 * length}})\\r?$`, "m").exec(text)?.[1];
  const [salt, key, iv] = [value("salt", 8), value("key", 32), value("iv", 16)];
  if (key === undefined || iv === undefined) return undefined;
  return {
    salt: Uint8Array.fromHex(salt ?? "00".repeat(8)),
    key: Uint8Array.fromHex(key),
    iv: Uint8Array.fromHex(iv),
  };
}

/**
 * HMAC-SHA256 over the encrypted member, with a key that only who can decrypt has: the script's form has no integrity of
 * its own. Its value is a member `<base>.hmac` of the outer archive, which the script neither reads nor minds.
 */
export function k3sIntegrity({ key, iv }: K3sSecrets): Hmac {
  const macKey = createHmac("sha256", key).update("agent dump: k3s form, integrity, version 1").update(iv).digest();
  return createHmac("sha256", macKey);
}

/** Names of the members of the outer archive. */
export const k3sMembers = {
  logs: (base: string): string => `${base}.logs.tar.gz.enc`,
  secrets: (base: string): string => `${base}.meta.enc`,
  integrity: (base: string): string => `${base}.hmac`,
} as const;

/** The script names the upload after the folder; fetch-diags.sh cuts names at their first dot. */
function nameOfFolder(folder: string): string {
  const name = basename(folder);
  if (!/^[A-Za-z0-9_-]{1,200}$/.test(name)) {
    throw new UsageError(`DIAGDIR: "${name}" cannot be the name of a bundle (letters, digits, - and _)`);
  }
  return name;
}

function hexOrRandom(name: string, text: string | undefined, length: number): Uint8Array {
  if (text === undefined) return new Uint8Array(randomBytes(length));
  // Its value is a secret and no part of the message.
  if (!new RegExp(`^[0-9a-fA-F]{${2 * length}}$`).test(text)) {
    throw new UsageError(`environment variable "${name}": not ${2 * length} hexadecimal digits`);
  }
  return Uint8Array.fromHex(text);
}

function readPublicKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(pem.replaceAll("\\n", "\n"));
  } catch (error) {
    throw new UsageError("PUBKEY: no public key in PEM", { cause: error });
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType !== "rsa" || bits < minRsaBits) {
    throw new UsageError(`PUBKEY: not an RSA key of ${minRsaBits} bits and more\nTry: openssl genrsa 4096`);
  }
  return key;
}

function randomLetters(count: number): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  let text = "";
  while (text.length < count) {
    for (const byte of randomBytes(count)) if (byte < 4 * letters.length) text += letters[byte % letters.length];
  }
  return text.slice(0, count);
}

/** 127 bytes and 11 of padding need 1,104; less than 2,048 is no protection. */
const minRsaBits = 2_048;
