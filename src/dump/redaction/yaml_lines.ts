/** What a line of YAML is, as far as secrets need to know. */

/** Position of the first byte that is no space; -1 in an empty line. */
export function indentOf(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] === 32) at++;
  return at >= end || bytes[at] === 13 ? -1 : at;
}

/** Columns before the first character of a line, dashes of lists not counted as such. */
export function indentOfKey(line: string): number {
  return line.search(/[^\s-]/);
}

/** Whether a line may begin something that is followed here; quick, and often wrongly yes. */
export function startsKey(bytes: Uint8Array, indent: number, end: number): boolean {
  if (indent < 0) return false;
  let at = indent;
  while (at < end && (bytes[at] === 45 || bytes[at] === 32)) at++;
  if (at < end && firstBytes[bytes[at]!] === 1) {
    const limit = Math.min(end, at + maxKeyName);
    while (at < limit && bytes[at] !== 58 && bytes[at] !== 32 && bytes[at] !== 61) at++;
    if (bytes[at] === 58) return true;
  }
  const last = bytes[end - 1]!;
  return last === 124 || last === 62 ||
    ((last === 45 || last === 43) && (bytes[end - 2] === 124 || bytes[end - 2] === 62));
}

/** A line with a key: what stands before it, its quote, the key, and the rest behind the colon. */
export const keyLine = /^(\s*(?:-\s+)*)(["']?)([\w./-]+)\2\s*:(?=[\s"{[]|$)(.*)$/s;
/** What lines at the left edge look like in YAML: keys, items, comments, ends of documents, JSON. */
export const inYaml = /^(?:---(?!\s|$)|[#{}[\]"'?!&]|- |\.\.\.|[^\s:]+:(?:\s|$))/;
const firstBytes = new Uint8Array(256);
for (const char of "dskntv\"'") firstBytes[char.charCodeAt(0)] = 1;
const maxKeyName = 64;
