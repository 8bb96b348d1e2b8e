/** Cuts logs at their oldest lines, so that a bundle fits into a size; what was cut is said in the log itself. */
import { contentText, keepContent, type KeepOptions, type KeptContent } from "./kept_content.ts";

/** A log without its oldest lines. */
export interface Trimmed {
  readonly content: KeptContent;
  /** What was cut, of the log as it was gathered. */
  readonly bytes: number;
  readonly lines: number;
}

/**
 * The size at which things of `sizes` must be cut so that together they have `budget`: small ones stay whole.
 * Infinity where all fit.
 */
export function cutLevel(sizes: readonly number[], budget: number): number {
  let left = budget;
  const sorted = sizes.toSorted((a, b) => a - b);
  for (const [i, size] of sorted.entries()) {
    const share = left / (sorted.length - i);
    if (size > share) return Math.max(0, share);
    left -= size;
  }
  return Infinity;
}

/** The newest lines of a log that take at most `maxBytes` in the bundle (compressed), never less than its last 4 KiB. */
export async function trimToSize(
  content: KeptContent,
  maxBytes: number,
  path: string,
  options: KeepOptions,
): Promise<Trimmed> {
  const textBytes = content.form === "packed" ? await countBytes(contentText(content)) : content.sizeBytes;
  let tailBytes = Math.floor(textBytes * Math.min(1, maxBytes / content.body.sizeBytes) * 0.97);
  for (;;) {
    const least = tailBytes <= leastTailBytes;
    const trimmed = await keepTail(content, textBytes, least ? leastTailBytes : tailBytes, path, options);
    if (least || trimmed.content.body.sizeBytes <= maxBytes) return trimmed;
    tailBytes = Math.floor(tailBytes * 0.9 * maxBytes / trimmed.content.body.sizeBytes);
  }
}

async function keepTail(
  content: KeptContent,
  textBytes: number,
  tailBytes: number,
  path: string,
  options: KeepOptions,
): Promise<Trimmed> {
  const cut = { bytes: Math.max(0, textBytes - tailBytes), lines: 0 };
  const newest = tail(contentText(content), cut, /\.(json|jsonl|ndjson)(\.gz)?$/.test(path));
  const kept = await keepContent(newest, content.form === "packed", options);
  return { content: kept, ...cut };
}

/** Yields the marker and what follows the cut, which is moved to the next beginning of a line; counts into `cut`. */
async function* tail(
  text: AsyncIterable<Uint8Array>,
  cut: { bytes: number; lines: number },
  json: boolean,
): AsyncGenerator<Uint8Array> {
  const wanted = cut.bytes;
  if (wanted === 0) return yield* text;
  let passed = 0;
  let head: Uint8Array<ArrayBufferLike> = new Uint8Array(0);
  let open = false;
  for await (const chunk of text) {
    const from = Math.min(chunk.length, Math.max(0, wanted - passed));
    cut.lines += countLines(chunk, from);
    passed += chunk.length;
    if (open) {
      yield chunk;
      continue;
    }
    if (from === chunk.length) continue;
    head = joined(head, chunk.subarray(from));
    if (head.length < leastTailBytes) continue;
    yield* begin(head, cut, json);
    open = true;
  }
  if (!open) yield* begin(head, cut, json);
}

function* begin(head: Uint8Array, cut: { bytes: number; lines: number }, json: boolean): Generator<Uint8Array> {
  const lf = head.indexOf(10);
  const start = lf >= 0 && lf < head.length - 1 ? lf + 1 : 0; // one endless line is cut where it must be
  cut.bytes += start;
  cut.lines += start > 0 ? 1 : 0;
  const before = timeOf(head.subarray(start, start + 200));
  const text = json
    ? JSON.stringify({ trimmed: { bytes: cut.bytes, lines: cut.lines, before } })
    : `--- trimmed ${cut.bytes} bytes, ${cut.lines} lines before ${before} ---`;
  yield new TextEncoder().encode(text + "\n");
  yield head.subarray(start);
}

/** The time as it stands in the first line that is kept. */
function timeOf(line: Uint8Array): string {
  const text = new TextDecoder().decode(line).split("\n", 1)[0]!;
  const time = /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\s"]*|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|@[0-9a-f]{24}/.exec(text);
  return time?.[0] ?? "the next line";
}

function countLines(chunk: Uint8Array, end: number): number {
  let lines = 0;
  for (let at = chunk.indexOf(10); at >= 0 && at < end; at = chunk.indexOf(10, at + 1)) lines++;
  return lines;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

async function countBytes(content: AsyncIterable<Uint8Array>): Promise<number> {
  let sizeBytes = 0;
  for await (const { length } of content) sizeBytes += length;
  return sizeBytes;
}

const leastTailBytes = 4 * 1024;
