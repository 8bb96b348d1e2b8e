/**
 * Lines that container runtimes write around what a container says. Pure.
 *
 * ```text
 *   cri     2024-05-01T10:00:00.000000000Z stdout F the message             P instead of F: the line goes on in the next
 *   docker  {"log":"the message\n","stream":"stdout","time":"2024-…"}       no \n at the end: it goes on in the next
 * ```
 *
 * CRI: the log format of the Container Runtime Interface (kubelet); docker: the driver `json-file`, which cuts at 16 KiB.
 */

/** Who wrote the lines. */
export type ContainerFormat = "cri" | "docker";

/** One line, taken apart. */
export interface ContainerLine {
  /** What the container said, or a part of it. */
  readonly message: Uint8Array;
  /** Parts of the same stream belong together. */
  readonly stream: string;
  /** Whether the message goes on in the next line of the stream. */
  readonly partial: boolean;
}

/** Takes the line in `bytes[start..end)` apart; undefined for one that no runtime wrote. */
export function parseContainerLine(
  format: ContainerFormat,
  bytes: Uint8Array,
  start: number,
  end: number,
): ContainerLine | undefined {
  const line = bytes.subarray(start, end);
  return format === "cri" ? parseCri(line) : parseDocker(line);
}

function parseCri(line: Uint8Array): ContainerLine | undefined {
  const afterTime = line.indexOf(space);
  const afterStream = line.indexOf(space, afterTime + 1);
  if (afterTime < 0 || afterTime > longestTime || afterStream !== afterTime + 1 + streamLength) return undefined;
  const stream = decoder.decode(line.subarray(afterTime + 1, afterStream));
  if (stream !== "stdout" && stream !== "stderr") return undefined;
  if (!timeStamp.test(decoder.decode(line.subarray(0, afterTime)))) return undefined;
  // The tag may have parts to come (`F:x`); the first letter is what is fixed. A message may be empty, and its space too.
  const tagEnd = line.indexOf(space, afterStream + 1);
  const tag = decoder.decode(line.subarray(afterStream + 1, tagEnd < 0 ? line.length : tagEnd)).split(":")[0];
  if (tag !== "F" && tag !== "P") return undefined;
  const message = tagEnd < 0 ? line.subarray(line.length) : line.subarray(tagEnd + 1);
  return { message, stream, partial: tag === "P" };
}

function parseDocker(line: Uint8Array): ContainerLine | undefined {
  if (line[0] !== openBrace) return undefined;
  let value: { readonly log?: unknown; readonly stream?: unknown };
  try {
    value = JSON.parse(decoder.decode(line)) as typeof value;
  } catch {
    return undefined;
  }
  const { log, stream } = value;
  if (typeof log !== "string") return undefined;
  const whole = log.endsWith("\n");
  const message = encoder.encode(whole ? log.slice(0, -1) : log);
  return { message, stream: typeof stream === "string" ? stream : "", partial: !whole };
}

const timeStamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
const longestTime = 35;
const streamLength = "stdout".length;
const decoder = new TextDecoder();
const encoder = new TextEncoder();
const space = 0x20;
const openBrace = 0x7b;
