/** Log files of the standard places, with rotated and compressed ones, newest first, as much of each as the profile wants. */
import { BootClock } from "../../system/boot.ts";
import type { Artifact, Collector, DumpContext, DumpProfile } from "../collector.ts";
import { collector, commandArtifacts, textArtifact } from "./define.ts";
import { noteFailure, readChunks } from "./files.ts";
import { findLogs, type FoundLogs, type LogFile } from "./log_folder.ts";
import { linesWithin, type SpanCounts } from "./time_filter.ts";
import { packerOfName, unpackedFile } from "./unpack.ts";

/** Log files of system and services. */
export const logsCollector: Collector = collector({
  id: "logs/files",
  summary: "log files of /var/log and /run/log, rotated and compressed ones too",
  timeoutMs: 240_000, // a gigabyte on a busy machine; the deadline of the profile is shorter where haste is asked for
  plan: () => [...logFolders.map((folder) => `read ${folder}/**`), "run logread (OpenWrt, busybox)"],
  async *collect(context): AsyncIterable<Artifact> {
    yield* logArtifacts(context, await findLogs(context, logFolders, elsewhere), "logs");
    yield* commandArtifacts(context, [{
      program: "logread",
      args: [],
      to: "logs/logread.log",
      kind: "log",
      isQuiet: true, // without a daemon that logs to memory there is nothing to read
    }]);
  },
});

/** Logs of pods and containers as the node keeps them: they are there when no API server answers. */
export const podLogsCollector: Collector = collector({
  id: "kubernetes/pod-log-files",
  summary: "log files of pods and containers on this node",
  optional: true,
  timeoutMs: 120_000,
  skips: (machine) => machine.kinds.has("kubernetes") ? undefined : "not a Kubernetes node",
  plan: () => elsewhere.slice(0, 2).map((folder) => `read ${folder}/**`),
  async *collect(context): AsyncIterable<Artifact> {
    yield* logArtifacts(context, await findLogs(context, elsewhere.slice(0, 2)), "kube/node-logs");
  },
});

/** `/run/uncaught-logs` is the catch-all logger of s6; `/tmp/log` is where routers without a disk log to. */
const logFolders = ["/var/log", "/run/log", "/run/uncaught-logs", "/tmp/log"];
/** What other collectors take. The journal is binary and is read by journalctl. */
const elsewhere = ["/var/log/pods", "/var/log/containers", "/var/log/audit", "/var/log/journal", "/run/log/journal"];

/** How much is taken of each file, and of all. The newest end of a file is the one that is taken. */
interface LogLimits {
  readonly fileBytes: number;
  readonly allBytes: number;
}

const limits: Readonly<Record<DumpProfile, LogLimits>> = {
  speed: { fileBytes: 4 * 2 ** 20, allBytes: 48 * 2 ** 20 },
  size: { fileBytes: 2 * 2 ** 20, allBytes: 24 * 2 ** 20 },
  complete: { fileBytes: 2 * 2 ** 30, allBytes: 8 * 2 ** 30 },
};

/** An artifact per file below `folder` of the bundle, and an index of what was done with each. */
export async function* logArtifacts(
  context: DumpContext,
  found: FoundLogs,
  folder: string,
): AsyncIterable<Artifact> {
  const { fileBytes, allBytes } = limits[context.profile];
  const index: string[] = [];
  let left = allBytes;
  for (const file of found.files) {
    context.signal.throwIfAborted();
    const why = whyNot(context, file, left);
    if (why !== undefined) index.push(`${file.name}: left out, ${why}`);
    else {
      const log = new LogArtifact(context, file, Math.min(left, fileBytes));
      left -= Math.min(left, fileBytes, file.sizeBytes);
      const artifact = await log.isUnfit() ? undefined : log.artifact(folder);
      if (artifact !== undefined) yield artifact;
      index.push(`${file.name}: ${log.outcome()}`);
    }
  }
  if (index.length + found.passed.length === 0) return;
  const text = [...index, ...found.passed].map((line) => line.replaceAll("\n", "\\n") + "\n").join("");
  yield textArtifact(`${folder}/INDEX.txt`, "what was done with each file", text);
}

function whyNot(context: DumpContext, file: LogFile, left: number): string | undefined {
  if (left <= 0) return `the ${context.profile} profile takes no more bytes of logs`;
  // A line is not younger than the file; a clock that was not set says nothing.
  const isOlder = context.since !== undefined && file.modifiedMs < context.since.getTime();
  if (isOlder && file.modifiedMs > Date.UTC(2025)) return "last written before --since";
  return undefined;
}

/** One file on its way into the bundle. */
class LogArtifact {
  readonly #context: DumpContext;
  readonly #file: LogFile;
  readonly #maxBytes: number;
  readonly #packer: Packer | "gzip" | undefined;
  readonly #counts: SpanCounts = { lines: 0, kept: 0, timed: 0 };
  #said = "";

  constructor(context: DumpContext, file: LogFile, maxBytes: number) {
    this.#context = context;
    this.#file = file;
    // A hole is not evidence: of a sparse file only as much as the disk holds, its end. Compressing disks hold less too.
    const isSparse = file.sizeBytes > 64 * 2 ** 20 && file.allocatedBytes < file.sizeBytes / 20;
    this.#maxBytes = isSparse ? Math.min(maxBytes, Math.max(file.allocatedBytes, 65_536)) : maxBytes;
    this.#packer = file.name.endsWith(".gz") ? "gzip" : packerOfName(file.name);
  }

  /** For the index, once the content was read. */
  outcome(): string {
    const { lines, kept, timed } = this.#counts;
    if (this.#said !== "") return this.#said;
    if (!this.#isFiltered || lines === 0) return `taken, ${this.#file.sizeBytes} bytes`;
    return timed === 0
      ? `taken whole, its ${lines} lines have no times`
      : `taken, ${kept} of ${lines} lines are of the time`;
  }

  /** Whether it is no text or cannot be read. After a power cut a log may begin with zero bytes: those do not count. */
  async isUnfit(): Promise<boolean> {
    if (this.#packer !== undefined) return false;
    const from = Math.max(0, this.#file.sizeBytes - this.#maxBytes);
    let head = new Uint8Array(0);
    for await (const chunk of this.#bytes(from, 4_096)) head = new Uint8Array([...head, ...withoutZeros(chunk)]);
    if (this.#said !== "") return true;
    const controls = head.filter((byte) => byte < 32 && !textControls.has(byte)).length;
    if (controls <= head.length / 20) return false;
    this.#said = "left out, binary";
    return true;
  }

  artifact(folder: string): Artifact | undefined {
    const { name, modifiedMs } = this.#file;
    const shared = { kind: "log", origin: name, taken: new Date(modifiedMs) } as const;
    if (this.#packer === undefined) return { ...shared, path: folder + name, content: this.#filtered(this.#plain()) };
    if (this.#packer !== "gzip") return this.#unpackedByProgram(this.#packer, folder);
    if (this.#file.sizeBytes > this.#maxBytes) {
      this.#said = `left out, the compressed file is larger than the ${this.#context.profile} profile takes`;
      return undefined;
    }
    const packed = this.#bytes(0, this.#maxBytes);
    if (!this.#isFiltered) return { ...shared, path: folder + name, encoding: "gzip", content: packed };
    return { ...shared, path: folder + name.slice(0, -3), content: this.#filtered(this.#unpacked(packed)) };
  }

  get #isFiltered(): boolean {
    return this.#context.since !== undefined || this.#context.until !== undefined;
  }

  /** The end of the file, from the beginning of a line on. */
  async *#plain(): AsyncIterable<Uint8Array> {
    const skipped = Math.max(0, this.#file.sizeBytes - this.#maxBytes);
    let isWhole = skipped === 0;
    if (!isWhole) {
      this.#said = `its last ${this.#maxBytes} of ${this.#file.sizeBytes} bytes`;
      yield encoder.encode(`--- left out: the first ${skipped} bytes of ${this.#file.name} ---\n`);
    }
    for await (const chunk of this.#bytes(skipped, this.#maxBytes)) {
      const start = isWhole ? 0 : chunk.indexOf(10) + 1;
      if (!isWhole && start === 0) continue;
      isWhole = true;
      if (start < chunk.length) yield withoutZeros(chunk.subarray(start));
    }
  }

  async *#bytes(from: number, maxBytes: number): AsyncIterable<Uint8Array> {
    try {
      // The size at the time of looking is the limit: a log that grows while it is read would never end.
      const upTo = Math.min(maxBytes, this.#file.sizeBytes - from);
      yield* readChunks(this.#file.path, { from, maxBytes: upTo, signal: this.#context.signal });
    } catch (error) {
      this.#said = `not read: ${(error as Error).message}`;
      this.#context.signal.throwIfAborted();
      noteFailure(this.#context, this.#file.name, error);
    }
  }

  async *#unpacked(packed: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    let left = 20 * this.#maxBytes; // a bomb ends here
    const source = ReadableStream.from(packed) as ReadableStream<Uint8Array<ArrayBuffer>>;
    for await (const chunk of source.pipeThrough(new DecompressionStream("gzip"))) {
      yield chunk;
      if ((left -= chunk.length) <= 0) return;
    }
  }

  #filtered(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    if (!this.#isFiltered) return chunks;
    const { since, until, machine } = this.#context;
    const span = { sinceMs: since?.getTime() ?? -Infinity, untilMs: until?.getTime() ?? Infinity };
    const bootAtMs = machine.live ? new BootClock().bootAtMs() : undefined;
    // Seconds since boot in a file from before this boot are of another boot.
    const isOfThisBoot = bootAtMs !== undefined && this.#file.modifiedMs >= bootAtMs;
    return linesWithin(chunks, span, { nowMs: Date.now(), ...(isOfThisBoot ? { bootAtMs } : {}) }, this.#counts);
  }

  #unpackedByProgram(packer: Packer, folder: string): Artifact | undefined {
    const { path, modifiedMs } = this.#file;
    const { program, bare } = packer;
    const unpacked = unpackedFile(this.#context, { program, path, to: folder + bare, maxBytes: 20 * this.#maxBytes });
    if (unpacked === undefined) {
      this.#said = `left out, "${program}" is not there to unpack it`;
      return undefined;
    }
    return { ...unpacked, taken: new Date(modifiedMs), content: this.#filtered(unpacked.content) };
  }
}

type Packer = NonNullable<ReturnType<typeof packerOfName>>;

/** What a file system leaves where it had no time to write; no text has them. */
function withoutZeros(bytes: Uint8Array): Uint8Array {
  return bytes.includes(0) ? bytes.filter((byte) => byte !== 0) : bytes;
}

/** Bell, backspace, tab, line feed, form feed, carriage return, escape. */
const textControls: ReadonlySet<number> = new Set([7, 8, 9, 10, 12, 13, 27]);

const encoder = new TextEncoder();
