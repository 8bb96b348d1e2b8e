/**
 * The secrets that let a device have its first certificate: one that all share, and one-time ones, each for one device.
 * Compared in constant time. The files are read again whenever they change.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { failure } from "../../pipeline/errors.ts";
import { readSecretFile } from "../secret.ts";

/** What a challenge proves. */
export type ChallengeVerdict =
  | { readonly kind: "shared" }
  | { readonly kind: "device"; readonly device: string; readonly digest: string }
  | { readonly kind: "wrong" };

/** Files of the secrets. */
export interface ChallengeFiles {
  /** First line: the shared secret. */
  readonly shared?: string;
  /** Lines `NAME:SECRET`, one per device, `#` begins a comment; each secret works for one key. */
  readonly devices?: string;
}

/** The secrets in memory. */
export class Challenges {
  readonly #shared: CachedFile<string> | undefined;
  readonly #devices: CachedFile<ReadonlyMap<string, string>> | undefined;
  readonly #pepper = randomBytes(32);

  /** @throws when a file cannot be used, so that a mistake shows at the start */
  constructor(files: ChallengeFiles) {
    this.#shared = files.shared === undefined ? undefined : new CachedFile(files.shared, readSecretFile);
    this.#devices = files.devices === undefined ? undefined : new CachedFile(files.devices, readDeviceFile);
    this.#shared?.read();
    this.#devices?.read();
  }

  /** Judges a challenge that came with a request for the device `name` (its common name). */
  judge(challenge: string, name: string): ChallengeVerdict {
    const devices = this.#devices?.read();
    const own = devices?.get(name);
    // Both comparisons are always made, so that the time tells nothing about which names are known.
    const isOwn = this.#equal(challenge, own ?? "") && own !== undefined;
    const shared = this.#shared?.read();
    const isShared = this.#equal(challenge, shared ?? "") && shared !== undefined;
    if (isOwn) return { kind: "device", device: name, digest: digestOf(name, challenge) };
    return isShared ? { kind: "shared" } : { kind: "wrong" };
  }

  #equal(a: string, b: string): boolean {
    const digest = (text: string): Uint8Array => createHmac("sha256", this.#pepper).update(text).digest();
    return timingSafeEqual(digest(a), digest(b));
  }
}

/** Reads `NAME:SECRET` lines. @throws naming file and line */
export function parseDeviceChallenges(text: string, path: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  text.split(/\r?\n/).forEach((line, i) => {
    if (line.trim() === "" || line.startsWith("#")) return;
    const colon = line.indexOf(":");
    const [name, secret] = [line.slice(0, colon).trim(), line.slice(colon + 1)];
    if (colon < 1 || secret === "") throw new Error(`${path}:${i + 1}: not NAME:SECRET`);
    if (found.has(name)) throw new Error(`${path}:${i + 1}: "${name}" is there twice`);
    found.set(name, secret);
  });
  return found;
}

function readDeviceFile(path: string): ReadonlyMap<string, string> {
  const { mode } = Deno.statSync(path);
  if (mode !== null && (mode & 0o004) !== 0) {
    throw new Error(`Cannot use challenge file "${path}": everybody may read it\nTry: chmod 600 ${path}`);
  }
  return parseDeviceChallenges(Deno.readTextFileSync(path), path);
}

/** The log gets no secret, and no digest that a dictionary could be held against without the name. */
function digestOf(name: string, challenge: string): string {
  return createHash("sha256").update(`${name}\n${challenge}`).digest("hex");
}

/** What a file says, read again when it was changed. */
class CachedFile<T> {
  readonly #path: string;
  readonly #parse: (path: string) => T;
  #stamp = "";
  #value: T | undefined;

  constructor(path: string, parse: (path: string) => T) {
    this.#path = path;
    this.#parse = parse;
  }

  read(): T {
    try {
      const { mtime, size, ino } = Deno.statSync(this.#path);
      const stamp = `${mtime?.getTime()} ${size} ${ino}`;
      if (this.#value === undefined || stamp !== this.#stamp) {
        this.#value = this.#parse(this.#path);
        this.#stamp = stamp;
      }
      return this.#value;
    } catch (error) {
      throw error instanceof Deno.errors.NotFound ? failure("read", `challenge file "${this.#path}"`, error) : error;
    }
  }
}
