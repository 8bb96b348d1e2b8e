/** Masks by value alone what was redacted before: secrets that were not known then. */
import { ByteBuffer } from "./byte_buffer.ts";
import type { NameScan } from "./name_scan.ts";
import type { Tally } from "./tally.ts";

/** The content with everything masked that `scan` knows. Bounded: a piece is 256 KiB, or 1 MiB where no line ends. */
export async function* maskedWith(
  scan: NameScan,
  content: AsyncIterable<Uint8Array>,
  tally: Tally,
): AsyncGenerator<Uint8Array> {
  const waiting = new ByteBuffer();
  const out = new ByteBuffer();
  const masked = (length: number): Uint8Array => {
    out.clear();
    scan.apply(waiting.bytes, 0, length, out, tally);
    waiting.shift(length);
    return out.copy();
  };
  for await (const chunk of content) {
    waiting.append(chunk);
    if (waiting.length < pieceBytes) continue;
    const length = endOfPiece(waiting);
    if (length > 0) yield masked(length);
  }
  if (waiting.length > 0) yield masked(waiting.length);
}

/** Behind the last line; of an endless one behind the last blank, or anywhere: what that cuts in two is found as a leak. */
function endOfPiece({ bytes, length }: ByteBuffer): number {
  const feed = bytes.subarray(0, length).lastIndexOf(10) + 1;
  if (feed > 0 || length < longestBytes) return feed;
  const blank = bytes.subarray(0, length).lastIndexOf(32) + 1;
  return blank > 0 ? blank : length - 4_096;
}

const pieceBytes = 256 * 1024;
const longestBytes = 1024 * 1024;
