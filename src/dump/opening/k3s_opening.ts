/** Opens the form of k3s's script: an outer tar.gz with the encrypted archive, and mostly its key, encrypted by RSA. */
import { constants, createDecipheriv, privateDecrypt, timingSafeEqual } from "node:crypto";
import { errorText } from "../../pipeline/errors.ts";
import { BundleError } from "../bundle_error.ts";
import { decodeK3sSecrets, k3sIntegrity, type K3sSecrets } from "../k3s_form.ts";
import { gunzipStrict } from "./gunzip.ts";
import type { OpeningKeys } from "./keys.ts";
import { readTar, type TarLimits } from "./tar_reader.ts";

/** What the outer archive holds. */
export interface K3sOuter {
  readonly base: string;
  /** The encrypted secrets, where they went along. */
  readonly sealedSecrets: Uint8Array | undefined;
  /** Of our own bundles: hexadecimal HMAC-SHA256 of the encrypted archive. */
  readonly hmac: string | undefined;
}

/** Looks at the outer archive; undefined when it is not of this form. */
export async function readK3sOuter(
  file: () => AsyncIterable<Uint8Array>,
  limits: TarLimits,
): Promise<K3sOuter | undefined> {
  let base: string | undefined;
  let sealedSecrets: Uint8Array | undefined;
  let hmac: string | undefined;
  let hasLogs = false;
  for await (const { name, kind, sizeBytes, content } of readTar(gunzipStrict(file()), limits)) {
    const [, found, member] = /^(?:\.\/)?([^/]+)\.(logs\.tar\.gz\.enc|meta\.enc|hmac)$/.exec(name) ?? [];
    if (kind !== "file" || found === undefined || (base !== undefined && found !== base)) return undefined;
    base = found;
    if (member === "logs.tar.gz.enc") hasLogs = true;
    else if (sizeBytes > maxMemberBytes) return undefined;
    else {
      const bytes = await joined(content);
      if (member === "meta.enc") sealedSecrets = bytes;
      else hmac = parseHmac(new TextDecoder().decode(bytes));
    }
  }
  return base !== undefined && hasLogs ? { base, sealedSecrets, hmac } : undefined;
}

/** One that cannot be read is damage: to pass it over would make a changed bundle one that nothing proves. */
function parseHmac(text: string): string {
  const hmac = /^hmac-sha256=([0-9a-f]{64})\n$/.exec(text)?.[1];
  if (hmac === undefined) throw new BundleError("damaged", "the proof of its integrity (.hmac) was changed");
  return hmac;
}

/** The secrets: of the environment, or by the private key. @throws {BundleError} when there is no key, or a wrong one */
export function openK3sSecrets({ sealedSecrets }: K3sOuter, keys: OpeningKeys): K3sSecrets {
  if (sealedSecrets === undefined || keys.privateKeys.length === 0) {
    if (keys.k3sSecrets !== undefined) return keys.k3sSecrets;
    throw new BundleError(
      "key",
      sealedSecrets === undefined
        ? "the secret metadata did not go along\nTry: salt=… key=… iv=… in the environment, as the sender was told them"
        : "no private key is named\nTry: --identity diags.private.pem, or PRIVATE_PEM in the environment",
    );
  }
  for (const key of keys.privateKeys) {
    try {
      const text = privateDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, sealedSecrets);
      const secrets = decodeK3sSecrets(new TextDecoder().decode(text));
      if (secrets !== undefined) return secrets;
    } catch {
      // Another key may fit. Newer libraries answer a wrong key with noise instead of an error.
    }
  }
  throw new BundleError("key", "it is encrypted to another RSA key, or its metadata is damaged");
}

/** Whether the encrypted archive is what was sealed. @throws {BundleError} when it is not */
export async function checkK3sIntegrity(
  sealed: AsyncIterable<Uint8Array>,
  hmac: string,
  secrets: K3sSecrets,
): Promise<void> {
  const integrity = k3sIntegrity(secrets);
  for await (const bytes of sealed) integrity.update(bytes);
  if (!timingSafeEqual(integrity.digest(), Uint8Array.fromHex(hmac))) {
    throw new BundleError("damaged", "the encrypted archive was changed, or salt, key and iv are of another bundle");
  }
}

/** The encrypted archive inside of the file. */
export async function* readK3sArchive(file: AsyncIterable<Uint8Array>, limits: TarLimits): AsyncGenerator<Uint8Array> {
  for await (const { name, content } of readTar(gunzipStrict(file), limits)) {
    if (name.endsWith(".logs.tar.gz.enc")) yield* content;
  }
}

/** Decrypts. A wrong key shows in the first bytes, which must be those of gzip. @throws {BundleError} */
export async function* decryptK3s(sealed: AsyncIterable<Uint8Array>, secrets: K3sSecrets): AsyncGenerator<Uint8Array> {
  const cipher = createDecipheriv("aes-256-cbc", secrets.key, secrets.iv);
  let first = true;
  for await (const bytes of sealed) {
    const plain = cipher.update(bytes);
    if (plain.length === 0) continue;
    if (first && (plain[0] !== 0x1f || plain[1] !== 0x8b)) {
      throw new BundleError("key", "key and iv are of another bundle");
    }
    first = false;
    yield plain;
  }
  try {
    yield cipher.final();
  } catch (error) {
    throw new BundleError("damaged", `the encrypted archive is cut off or damaged: ${errorText(error)}`);
  }
}

async function joined(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: number[] = [];
  for await (const bytes of content) parts.push(...bytes);
  return new Uint8Array(parts);
}

const maxMemberBytes = 16 * 1024;
