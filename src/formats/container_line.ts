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

/** Looks at bytes alone: this is done for every line. */
function parseCri(line: Uint8Array): ContainerLine | undefined {
  const afterTime = timeEnd(line);
  if (afterTime < 0 || line[afterTime + 7] !== space) return undefined;
  const stream = startsWith(line, afterTime + 1, stdout)
    ? "stdout"
    : startsWith(line, afterTime + 1, stderr)
    ? "stderr"
    : undefined;
  // The tag may have parts to come (`F:x`); the first letter is what is fixed. A message may be empty, and its space too.
  const tagAt = afterTime + 8;
  const tag = line[tagAt];
  const behind = line[tagAt + 1];
  if (stream === undefined || tag !== full && tag !== part) return undefined;
  if (behind !== undefined && behind !== space && behind !== colon) return undefined;
  const tagEnd = behind === space ? tagAt + 1 : line.indexOf(space, tagAt);
  const message = tagEnd < 0 ? line.subarray(line.length) : line.subarray(tagEnd + 1);
  return { message, stream, partial: tag === part };
}

/** Index of the space behind the time of RFC 3339 that the line begins with; -1 where there is none. */
function timeEnd(line: Uint8Array): number {
  const end = line.indexOf(space);
  if (end < shortestTime || end > longestTime) return -1;
  for (let i = 0; i < timeShape.length; i++) {
    const wanted = timeShape[i]!;
    const byte = line[i]!;
    if (wanted === digit ? byte < 0x30 || byte > 0x39 : byte !== wanted) return -1;
  }
  return end;
}

function startsWith(line: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++) if (line[at + i] !== word[i]) return false;
  return true;
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

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const digit = 0x30;
const timeShape = encoder.encode("0000-00-00T00:00:00");
const shortestTime = timeShape.length + 1;
const longestTime = timeShape.length + ".123456789+00:00".length;
const stdout = encoder.encode("stdout");
const stderr = encoder.encode("stderr");
const full = 0x46;
const part = 0x50;
const colon = 0x3a;
const space = 0x20;
const openBrace = 0x7b;
