/** Who holds the shared key: the handshake HELO, PING, PONG of the Forward Protocol, from the side of the server. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { decode, encode } from "@msgpack/msgpack";
import { errorText } from "../../pipeline/errors.ts";

/** Keys of a file, one per line, so that an old and a new one can hold for a while; looked at for each connection. */
export class SharedKeyFile {
  readonly #path: string;
  readonly #report: (text: string) => void;
  #keys: readonly string[];
  #said = "";

  /**
   * @param report told once of a changed file that cannot be used; the keys before it go on
   * @throws when the file is missing, open to others, or holds no key
   */
  constructor(path: string, report: (text: string) => void) {
    this.#path = path;
    this.#report = report;
    this.#keys = readSharedKeys(path);
  }

  /** The keys of now. */
  get keys(): readonly string[] {
    try {
      this.#keys = readSharedKeys(this.#path);
      this.#said = "";
    } catch (error) {
      const text = errorText(error);
      if (text !== this.#said) this.#report(`kept the shared key in use: ${text}`);
      this.#said = text;
    }
    return this.#keys;
  }
}

/** The keys of a file. @throws when it is missing, open to others, or holds none */
export function readSharedKeys(path: string): readonly string[] {
  let text: string;
  try {
    using file = Deno.openSync(path, { read: true });
    const { isFile, mode, size } = file.statSync();
    if (!isFile || size > maxFileBytes) throw new Error("it is no small file");
    if (((mode ?? 0) & 0o077) !== 0) throw new Error(`others may read it (mode ${((mode ?? 0) & 0o777).toString(8)})`);
    const bytes = new Uint8Array(size);
    text = new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
  } catch (error) {
    const reason = errorText(error).replace(`: open '${path}'`, "");
    throw new Error(`Cannot use shared key "${path}": ${reason}\nTry: make it with mode 0600`, { cause: error });
  }
  const keys = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  if (keys.length === 0 || keys.some((key) => !/^[ -~]{8,512}$/.test(key))) {
    throw new Error(
      `Cannot use shared key "${path}": it holds no key of 8 to 512 printable characters per line\n` +
        "Try: openssl rand -hex 32",
    );
  }
  return keys;
}

/** What the server has said to one client, and what it answers. */
export class Handshake {
  readonly #keys: readonly string[];
  readonly #hostname: string;
  readonly #nonce: Uint8Array = randomBytes(16);

  /** @param hostname the server's, part of its proof */
  constructor(keys: readonly string[], hostname: string) {
    this.#keys = keys;
    this.#hostname = hostname;
  }

  /** The first word is the server's. */
  get helo(): Uint8Array {
    return encode(["HELO", { nonce: this.#nonce, auth: "", keepalive: true }]);
  }

  /** The answer to a PING, and whether its sender may go on; undefined for what is no PING. */
  answer(message: Uint8Array): { readonly pong: Uint8Array; readonly accepted: boolean } | undefined {
    const ping = parsePing(message);
    if (ping === undefined) return undefined;
    const { hostname, salt, digest } = ping;
    let found: string | undefined;
    for (const key of this.#keys) {
      if (isSame(this.#digestOf(salt, hostname, key), digest)) found = key; // all, whichever it is
    }
    if (found === undefined) {
      return { pong: encode(["PONG", false, "shared_key mismatch", "", ""]), accepted: false };
    }
    const proof = this.#digestOf(salt, encoder.encode(this.#hostname), found);
    return { pong: encode(["PONG", true, "", this.#hostname, proof]), accepted: true };
  }

  #digestOf(salt: Uint8Array, hostname: Uint8Array, key: string): string {
    return createHash("sha512").update(salt).update(hostname).update(this.#nonce).update(key).digest("hex");
  }
}

interface Ping {
  readonly hostname: Uint8Array;
  readonly salt: Uint8Array;
  readonly digest: Uint8Array;
}

/** `["PING", hostname, salt, digest, …]`; Fluent Bit's salt is no text, whatever its type says. */
function parsePing(message: Uint8Array): Ping | undefined {
  let parts: unknown;
  try {
    parts = decode(message, { rawStrings: true });
  } catch {
    return undefined;
  }
  if (!Array.isArray(parts) || parts.length < 4) return undefined;
  const [word, hostname, salt, digest] = parts.map((part: unknown) => part instanceof Uint8Array ? part : undefined);
  if (word === undefined || hostname === undefined || salt === undefined || digest === undefined) return undefined;
  return new TextDecoder().decode(word) === "PING" ? { hostname, salt, digest } : undefined;
}

function isSame(text: string, bytes: Uint8Array): boolean {
  const expected = encoder.encode(text);
  return expected.length === bytes.length && timingSafeEqual(expected, bytes);
}

const encoder = new TextEncoder();
const maxFileBytes = 64 * 1_024;
