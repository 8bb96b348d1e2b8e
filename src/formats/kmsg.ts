/**
 * Records of the kernel's log as `/dev/kmsg` gives them, one per read.
 *
 * ```text
 *   PRI,SEQ,MICROSECONDS,FLAGS[,…];text LF [SP KEY=value LF]…
 *   6,339,5140900,-;NET: Registered protocol family 10
 * ```
 *
 * @see Linux Documentation/ABI/testing/dev-kmsg
 */

/** One record. */
export interface KernelRecord {
  /** Facility × 8 + severity. */
  readonly priority: number;
  /** Rises by one per record; a gap means that the ring was overrun. */
  readonly sequence: number;
  /** Since boot, microseconds. */
  readonly timeUs: number;
  /** One line. Octets that the kernel escaped for being no ASCII are octets again; control characters stay `\x0a`. */
  readonly text: string;
  /** The dictionary: SUBSYSTEM, DEVICE and the like. */
  readonly fields: Readonly<Record<string, string>>;
}

/** Reads a record; undefined when the bytes are none. */
export function parseKernelRecord(bytes: Uint8Array): KernelRecord | undefined {
  const text = decoder.decode(bytes);
  const match = /^(\d+),(\d+),(\d+),[^;]*;([^\n]*)\n?/.exec(text);
  if (match === null) return undefined;
  const fields: Record<string, string> = {};
  for (const [, key, value] of text.slice(match[0].length).matchAll(/^ ([^=\n]+)=([^\n]*)$/gm)) {
    fields[key!] = unescape(value!);
  }
  return {
    priority: Number(match[1]),
    sequence: Number(match[2]),
    timeUs: Number(match[3]),
    text: unescape(match[4]!),
    fields,
  };
}

/** `\xc3\xbc` → `ü`, `\x5c` → `\`; escapes of control characters stay, so that a record stays one line. */
function unescape(text: string): string {
  if (!text.includes("\\x")) return text;
  return text.replaceAll(/(?:\\x[89a-f][0-9a-f]|\\x5c)+/gi, (run) => {
    const octets = run.split("\\x").slice(1).map((hex) => parseInt(hex, 16));
    return decoder.decode(new Uint8Array(octets));
  });
}

const decoder = new TextDecoder();
