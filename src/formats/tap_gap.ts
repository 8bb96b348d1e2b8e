/**
 * What `agent tap` says to its listener beside the lines it copies, and how the listener answers.
 *
 * The socket carries plain lines, so that any program can listen (`socat -u UNIX-LISTEN:… -`). A line of the tap's own
 * begins with DLE (0x10, "data link escape" of ASCII), and a copied line that begins with DLE gets one more in front, so
 * that no program whose output is copied can forge a notice:
 *
 * ```text
 *   any line LF                                       →  any line LF
 *   DLE any line LF                                   →  DLE DLE any line LF
 *   12 lines of 480 bytes, LFs included, are missing  →  DLE # agent tap: gap of 12 lines, 480 bytes LF
 * ```
 *
 * Towards the tap there is one line, `DLE # agent tap: stop LF`: finish the line under way and close; the listener goes
 * away in order and still reads to the end. A listener that never writes is as good.
 */

/** Lines that the tap could not hand over, since the last notice. */
export interface TapGap {
  readonly lines: number;
  /** Their bytes, line feeds included. */
  readonly bytes: number;
}

const dle = 0x10;
const lineFeed = 0x0a;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** The notice behind its DLE. */
const gapPattern = /^# agent tap: gap of (\d{1,15}) lines, (\d{1,15}) bytes$/;
/** Longer lines are no notices: nobody needs to make text of them. */
const maxNoticeBytes = 96;

/** What a listener writes to ask the tap to close after the line under way. */
export const tapStopRequest: Uint8Array = encoder.encode("\x10# agent tap: stop\n");

/** The notice of a gap, its LF included. */
export function encodeTapGap(gap: TapGap): Uint8Array {
  return encoder.encode(`\x10# agent tap: gap of ${gap.lines} lines, ${gap.bytes} bytes\n`);
}

/** The gap that the line [start, end) announces, the LF not included; undefined for a copied line. */
export function decodeTapGap(bytes: Uint8Array, start: number, end: number): TapGap | undefined {
  if (bytes[start] !== dle || end - start > maxNoticeBytes) return undefined;
  const match = gapPattern.exec(decoder.decode(bytes.subarray(start + 1, end)));
  return match === null ? undefined : { lines: Number(match[1]), bytes: Number(match[2]) };
}

/** Whole lines as they go over the socket: `lines` itself where nothing needs an escape, which is nearly always. */
export function escapeTapLines(lines: Uint8Array): Uint8Array {
  const starts: number[] = [];
  for (let at = lines.indexOf(dle); at >= 0; at = lines.indexOf(dle, at + 1)) {
    if (at === 0 || lines[at - 1] === lineFeed) starts.push(at);
  }
  if (starts.length === 0) return lines;
  const escaped = new Uint8Array(lines.length + starts.length);
  let from = 0;
  starts.forEach((start, i) => {
    escaped.set(lines.subarray(from, start), from + i);
    escaped[start + i] = dle;
    from = start;
  });
  escaped.set(lines.subarray(from), from + starts.length);
  return escaped;
}

/** Where the copied line that lies in [start, end) on the socket begins without its escape. */
export function tapLineStart(bytes: Uint8Array, start: number, end: number): number {
  return end - start >= 2 && bytes[start] === dle && bytes[start + 1] === dle ? start + 1 : start;
}
