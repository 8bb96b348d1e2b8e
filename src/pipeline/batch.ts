/**
 * A batch: some records of one origin, as bytes, with their boundaries beside them. It is the only thing that
 * travels through the pipeline. Nothing here is a string per record: whoever needs one makes it.
 *
 * ```text
 *   bytes   f i r s t LF s e c o n d LF …
 *           ↑         ↑  ↑           ↑
 *   bounds  0         5  6           12   …   (start, end) of record i at 2i, 2i+1; the end excludes the LF
 * ```
 */
import type { Position } from "./checkpoint.ts";

/** What all records of a batch have in common. */
export interface Origin {
  /** Name of the source in the configuration. */
  readonly source: string;
  /** Host that made the records, for records that do not name one themselves. */
  readonly host: string;
  /** Program name (the tag of RFC 3164, APP-NAME of RFC 5424), for plain records. */
  readonly program: string;
  /** Facility × 8 + severity, 0..191 (RFC 5424 section 6.2.1), for plain records. */
  readonly priority: number;
  /** `plain`: the record is the message alone. `syslog`: it begins with its own `<PRI>` header. */
  readonly form: "plain" | "syslog";
  /** When the batch was read, milliseconds since 1970. */
  readonly readAtMs: number;
  /** Name that the peer proved with its certificate; set by network sources only. */
  readonly peer?: string;
}

/** Where each record of a batch stood: the same whenever it is read again, whatever rules made of its bytes. */
export interface Places {
  /** The thing that was read: a content of a file, a queue. Part of no path and no message. */
  readonly thing: string;
  /** Number of record `index` in that thing, ≥ 0, different for each; undefined for what the agent itself says. */
  numberOf(index: number): number | undefined;
}

/** Some records of one origin. Owned by whoever holds it; {@linkcode Batch.release} gives the bytes back. */
export interface Batch {
  /** Storage of the records; valid until `release()`, never written to by a reader. */
  readonly bytes: Uint8Array;
  /** Start and end of record i at 2i and 2i+1; at least 2 × `count` long. */
  readonly bounds: Uint32Array;
  /** Number of records, 0 or more. */
  readonly count: number;
  /** Whether the records lie back to back, each followed by one LF and none with an LF inside: one write takes all. */
  readonly packed: boolean;
  readonly origin: Origin;
  /** Where the source stands after the last record; merged into its checkpoint once everything is delivered. */
  readonly position: Position;
  /** Where a replayable source has its records from; undefined where nothing can tell records apart. */
  readonly places?: Places | undefined;
  /** Tells the source that the bytes may be used again. Called once, by the pump. */
  release(): void;
}

/** Bytes from the first record to the end of the last one, its LF included. @throws if the batch is not packed */
export function packedBytes(batch: Batch): Uint8Array {
  if (!batch.packed) throw new TypeError(`Cannot take batch of "${batch.origin.source}" as one piece: not packed`);
  if (batch.count === 0) return batch.bytes.subarray(0, 0);
  return batch.bytes.subarray(batch.bounds[0], batch.bounds[2 * batch.count - 1]! + 1);
}

/** The records of `indices` alone, in that order, on the same bytes. Its `release` does nothing: the whole is released. */
export function partOfBatch(batch: Batch, indices: readonly number[]): Batch {
  const bounds = new Uint32Array(2 * indices.length);
  indices.forEach((index, i) => {
    bounds[2 * i] = batch.bounds[2 * index]!;
    bounds[2 * i + 1] = batch.bounds[2 * index + 1]!;
  });
  const places = placesOf(batch, indices);
  return { ...batch, bounds, count: indices.length, packed: false, places, release: () => {} };
}

/** The places of records that were made of those of `batch` at `indices`; an index below 0 has none. */
export function placesOf({ places }: Batch, indices: ArrayLike<number>): Places | undefined {
  if (places === undefined) return undefined;
  const numberOf = (index: number): number | undefined => {
    const original = indices[index] ?? -1;
    return original < 0 ? undefined : places.numberOf(original);
  };
  return { thing: places.thing, numberOf };
}

/** Sum of the records' lengths in bytes, without separators. */
export function recordBytes(batch: Batch): number {
  let sum = 0;
  for (let i = 0; i < 2 * batch.count; i += 2) sum += batch.bounds[i + 1]! - batch.bounds[i]!;
  return sum;
}

/** Record `index` as text, for messages and tests; invalid UTF-8 becomes U+FFFD. */
export function recordText(batch: Batch, index: number): string {
  return decoder.decode(batch.bytes.subarray(batch.bounds[2 * index], batch.bounds[2 * index + 1]));
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** A packed batch of lines given as text: for notices that the agent itself writes, and for tests. */
export function batchOfLines(lines: readonly string[], origin: Origin, position: Position = {}): Batch {
  const bytes = encoder.encode(lines.map((line) => line + "\n").join(""));
  const bounds = new Uint32Array(2 * lines.length);
  let at = 0;
  lines.forEach((line, i) => {
    bounds[2 * i] = at;
    at += encoder.encode(line).length;
    bounds[2 * i + 1] = at++;
  });
  return { bytes, bounds, count: lines.length, packed: true, origin, position, release: () => {} };
}

/** A packed run of lines as batches of at most `maxRecords`, which share its bytes. */
export function* batchesOfRun(
  run: { readonly bytes: Uint8Array; readonly bounds: Uint32Array; readonly count: number },
  maxRecords: number,
  origin: Origin,
): Generator<Batch> {
  for (let first = 0; first < run.count; first += maxRecords) {
    const end = Math.min(run.count, first + maxRecords);
    yield {
      bytes: run.bytes,
      bounds: run.bounds.subarray(2 * first, 2 * end),
      count: end - first,
      packed: true,
      origin,
      position: {},
      release: () => {},
    };
  }
}
