/** The token that callers of a server show: read from a file that nobody else may read, compared in constant time. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { errorText } from "../pipeline/errors.ts";
import { writeFileAtomic } from "./atomic_file.ts";

/** Makes a file with a token of 256 bits, mode 0600, unless something is there. The result tells whether it was made. */
export function makeTokenFile(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return false;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) return false; // reading it will tell
  }
  writeFileAtomic(path, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
  return true;
}

/** Tokens of a file, one per line, so that an old and a new one can hold for a while. Read again when the file changes. */
export class TokenFile {
  readonly #path: string;
  readonly #report: (text: string) => void;
  #digests: readonly Uint8Array[];
  #stamp: string;
  #lookedMs = -Infinity;
  #said = "";

  /**
   * @param report told once of a changed file that cannot be used; the tokens before it go on
   * @throws when the file is missing, open to others, or holds no token of 16 characters or more
   */
  constructor(path: string, report: (text: string) => void) {
    this.#path = path;
    this.#report = report;
    this.#stamp = stampOf(path);
    this.#digests = readTokens(path);
  }

  /** Whether `authorization`, the header of RFC 6750 section 2.1, holds a token of the file. */
  accepts(authorization: string | undefined, nowMs = performance.now()): boolean {
    return this.acceptsToken(/^Bearer +([!-~]+) *$/i.exec(authorization ?? "")?.[1], nowMs);
  }

  /** Whether `token` is one of the file. */
  acceptsToken(token: string | undefined, nowMs = performance.now()): boolean {
    this.#refresh(nowMs);
    if (token === undefined || token.length > 512) return false;
    const digest = digestOf(token);
    let found = false;
    for (const known of this.#digests) found = timingSafeEqual(known, digest) || found; // all, whichever it is
    return found;
  }

  #refresh(nowMs: number): void {
    if (nowMs - this.#lookedMs < 1_000) return;
    this.#lookedMs = nowMs;
    try {
      const stamp = stampOf(this.#path);
      if (stamp === this.#stamp) return;
      this.#digests = readTokens(this.#path);
      this.#stamp = stamp;
      this.#said = "";
    } catch (error) {
      const text = errorText(error);
      if (text !== this.#said) this.#report(`kept the token in use: ${text}`);
      this.#said = text;
    }
  }
}

function stampOf(path: string): string {
  try {
    const { mtime, ctime, ino, size } = Deno.statSync(path);
    return [mtime?.getTime(), ctime?.getTime(), ino, size].join(" ");
  } catch (error) {
    throw new Error(`Cannot read token "${path}": ${errorText(error)}\nTry: make it with mode 0600`, { cause: error });
  }
}

function readTokens(path: string): readonly Uint8Array[] {
  using file = Deno.openSync(path, { read: true });
  const { isFile, mode, size } = file.statSync();
  const others = (mode ?? 0) & 0o077;
  if (!isFile || size > 64 * 1024) throw new Error(`Cannot use token "${path}": it is no small file`);
  if (others !== 0) {
    throw new Error(
      `Cannot use token "${path}": others may read it (mode ${
        ((mode ?? 0) & 0o777).toString(8)
      })\nTry: chmod 600 ${path}`,
    );
  }
  const bytes = new Uint8Array(size);
  const length = file.readSync(bytes) ?? 0;
  const lines = new TextDecoder().decode(bytes.subarray(0, length)).split("\n").map((line) => line.trim());
  const tokens = lines.filter((line) => line !== "");
  if (tokens.length === 0 || tokens.some((token) => !/^[!-~]{16,512}$/.test(token))) {
    throw new Error(
      `Cannot use token "${path}": it holds no token of 16 to 512 printable characters per line\n` +
        "Try: openssl rand -hex 32",
    );
  }
  return tokens.map(digestOf);
}

function digestOf(token: string): Uint8Array {
  return createHash("sha256").update(token).digest();
}
