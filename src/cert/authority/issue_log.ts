/**
 * What the authority did, in order: one JSON line per certificate and per revocation, on disk (fsync) before anybody hears of it.
 * It is the only record: which challenge was used and which certificate is revoked is read from here. Several processes
 * (the service, `sign revoke`) append to it under one lock.
 */
import { join } from "node:path";
import { joinBytes } from "../../formats/bytes.ts";
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
  /** End of the certificate's own life: afterwards it need not be listed. */
  readonly notAfter: string;
}

/** One line. */
export type LogEntry = IssuedEntry | RevokedEntry;

/**
 * The log of one authority. What is kept in memory is what decisions need, revocations and used challenges; certificates are read
 * from the file when somebody asks for them. Dispose it to close the file.
 */
export class IssueLog implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;
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

  /**
   * Appends; on disk when it returns. Only inside {@linkcode IssueLog.exclusively}.
   * @throws when the disk is full; nothing is then in the log
   */
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

  /** Certificates in the order of issue, read from the file. */
  *issued(): Generator<IssuedEntry> {
    for (const { text } of this.#lines(0, this.#readBytes)) {
      const entry = this.#parse(text);
      if (entry?.event === "issued") yield entry;
    }
  }

  revoked(): readonly RevokedEntry[] {
    return [...this.#revoked.values()];
  }

  /** The certificate with this serial number, as {@linkcode IssuedEntry.serial} is written. */
  find(serial: string): IssuedEntry | undefined {
    for (const entry of this.issued()) if (entry.serial === serial) return entry;
    return undefined;
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
    for (const { text, end } of this.#lines(this.#readBytes, size)) {
      this.#readBytes = end;
      // Most lines are certificates that no decision needs: they are not even parsed.
      if (!text.includes('"revoked"') && !text.includes('"challengeDigest"')) continue;
      const entry = this.#parse(text);
      if (entry !== undefined) this.#take(entry);
    }
    if (this.#readBytes === size) return;
    // Whoever wrote half a line died before it answered anybody: that certificate does not exist.
    log.warning(`"${this.#path}" ended in the middle of a line; ${size - this.#readBytes} bytes removed`);
    this.#file.truncateSync(this.#readBytes);
  }

  /** Whole lines between two offsets, and where each ends. */
  *#lines(from: number, to: number): Generator<{ readonly text: string; readonly end: number }> {
    const block = new Uint8Array(blockBytes);
    let rest = new Uint8Array();
    for (let at = from; at < to;) {
      this.#file.seekSync(at, Deno.SeekMode.Start);
      const count = this.#file.readSync(block.subarray(0, Math.min(blockBytes, to - at)));
      if (count === null) return;
      const bytes = joinBytes([rest, block.subarray(0, count)]);
      let begin = 0;
      for (let lineEnd = bytes.indexOf(0x0a); lineEnd >= 0; lineEnd = bytes.indexOf(0x0a, begin)) {
        const text = new TextDecoder().decode(bytes.subarray(begin, lineEnd));
        begin = lineEnd + 1;
        yield { text, end: at - rest.length + begin };
      }
      at += count;
      rest = bytes.subarray(begin);
    }
  }

  #parse(line: string): LogEntry | undefined {
    try {
      return JSON.parse(line) as LogEntry;
    } catch {
      log.error(`"${this.#path}" has a damaged line, which is passed over: ${line.slice(0, 80)}`);
      return undefined;
    }
  }

  #take(entry: LogEntry): void {
    if (entry.event === "revoked") this.#revoked.set(entry.serial, entry);
    else if (entry.challengeDigest !== undefined) this.#used.set(entry.challengeDigest, entry.keyDigest);
  }
}

const log = openLog("sign");
const blockBytes = 256 * 1024;
