/**
 * What the authority did, in order: one JSON line per certificate and per revocation, on disk (fsync) before anybody hears of it.
 * It is the only record: which challenge was used and which certificate is revoked is read from here. Several processes
 * (the service, `sign revoke`) append to it under one lock.
 */
import { join } from "node:path";
import { openLog } from "../../system/log.ts";
import { writeAllSync } from "../../system/atomic_file.ts";

/** A certificate was issued. */
export interface IssuedEntry {
  readonly event: "issued";
  readonly time: string;
  readonly serial: string;
  readonly subject: string;
  readonly alternatives: readonly string[];
  readonly notBefore: string;
  readonly notAfter: string;
  /** SHA-256 over the certificate, and over its SubjectPublicKeyInfo. */
  readonly fingerprint: string;
  readonly keyDigest: string;
  readonly protocol: string;
  readonly address: string;
  /** What proved that it may be issued: `challenge`, `device:NAME`, `certificate:SERIAL`, or `local`. */
  readonly proof: string;
  /** Digest of a one-time challenge, which this used up. */
  readonly challengeDigest?: string;
}

/** A certificate was revoked. */
export interface RevokedEntry {
  readonly event: "revoked";
  readonly time: string;
  readonly serial: string;
  readonly reason: number;
}

export type LogEntry = IssuedEntry | RevokedEntry;

/** The log of one authority. Dispose it to close the file. */
export class IssueLog implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  readonly #issued = new Map<string, IssuedEntry>();
  readonly #revoked = new Map<string, RevokedEntry>();
  /** Digests of used one-time challenges, and the key that each was used for. */
  readonly #used = new Map<string, string>();
  #readBytes = 0;

  /** @param dir the authority's folder */
  constructor(dir: string) {
    this.#path = join(dir, "issued.jsonl");
    this.#file = Deno.openSync(this.#path, { read: true, append: true, create: true, mode: 0o600 });
    this.exclusively(() => {});
  }

  /** Calls `decide` while no other process can append, with everything read that they appended before. */
  exclusively<T>(decide: () => T): T {
    this.#file.lockSync(true);
    try {
      this.#readNew();
      return decide();
    } finally {
      this.#file.unlockSync();
    }
  }

  /** Appends; on disk when it returns. Only inside {@linkcode IssueLog.exclusively}. @throws when the disk is full; nothing is then in the log */
  append(entry: LogEntry): void {
    const line = new TextEncoder().encode(JSON.stringify(entry) + "\n");
    try {
      writeAllSync(this.#file, line);
      this.#file.syncSync();
    } catch (error) {
      this.#file.truncateSync(this.#readBytes);
      throw error;
    }
    this.#readBytes += line.length;
    this.#take(entry);
  }

  /** Certificates in the order of issue. */
  issued(): readonly IssuedEntry[] {
    return [...this.#issued.values()];
  }

  revoked(): readonly RevokedEntry[] {
    return [...this.#revoked.values()];
  }

  find(serial: string): IssuedEntry | undefined {
    return this.#issued.get(serial);
  }

  isRevoked(serial: string): boolean {
    return this.#revoked.has(serial);
  }

  /** Digest of the key that a one-time challenge was used for; undefined while it is unused. */
  keyOfChallenge(challengeDigest: string): string | undefined {
    return this.#used.get(challengeDigest);
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }

  #readNew(): void {
    const size = this.#file.statSync().size;
    if (size <= this.#readBytes) return;
    const bytes = new Uint8Array(size - this.#readBytes);
    this.#file.seekSync(this.#readBytes, Deno.SeekMode.Start);
    let filled = 0;
    while (filled < bytes.length) {
      const count = this.#file.readSync(bytes.subarray(filled));
      if (count === null) break;
      filled += count;
    }
    const whole = bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1);
    for (const line of new TextDecoder().decode(whole).split("\n")) this.#takeLine(line);
    this.#readBytes += whole.length;
    if (whole.length === filled) return;
    // Whoever wrote half a line died before it answered anybody: that certificate does not exist.
    log.warning(`"${this.#path}" ended in the middle of a line; ${filled - whole.length} bytes removed`);
    this.#file.truncateSync(this.#readBytes);
  }

  #takeLine(line: string): void {
    if (line === "") return;
    try {
      this.#take(JSON.parse(line) as LogEntry);
    } catch {
      log.error(`"${this.#path}" has a damaged line, which is passed over: ${line.slice(0, 80)}`);
    }
  }

  #take(entry: LogEntry): void {
    if (entry.event === "revoked") this.#revoked.set(entry.serial, entry);
    if (entry.event !== "issued") return;
    this.#issued.set(entry.serial, entry);
    if (entry.challengeDigest !== undefined) this.#used.set(entry.challengeDigest, entry.keyDigest);
  }
}

const log = openLog("sign");
