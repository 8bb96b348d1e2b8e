/**
 * Members of a JSON object found by their paths in bytes: where their values begin and end. Nothing is made of the rest,
 * which is passed over. It looks at the form only as far as it must to keep its place (RFC 8259). Pure.
 */

/** What one pass over a record found. Filled again and again. */
export class MemberFinder {
  /** Where the value of path i begins; −1 where there is none. */
  readonly starts: Int32Array;
  /** Behind the last byte of the value of path i. */
  readonly ends: Int32Array;
  readonly #root: PathNode = { key: empty, index: -1, below: [] };
  #bytes: Uint8Array = empty;
  #end = 0;

  /** @param paths each the keys from the outermost object on */
  constructor(paths: readonly (readonly string[])[]) {
    this.starts = new Int32Array(paths.length).fill(-1);
    this.ends = new Int32Array(paths.length).fill(-1);
    paths.forEach((path, index) => addPath(this.#root, path, index));
  }

  /**
   * Looks for all paths in the object that is the whole of `bytes[start..end)`, white space aside. Of keys that are there
   * twice, the last one counts, as for `JSON.parse`. False when it is no object, or torn: then nothing that was found
   * may be relied on.
   */
  find(bytes: Uint8Array, start: number, end: number): boolean {
    this.starts.fill(-1);
    this.#bytes = bytes;
    this.#end = end;
    const at = skipSpace(bytes, start, end);
    if (at >= end || bytes[at] !== openBrace) return false;
    const stop = this.#object(at, this.#root);
    return stop >= 0 && skipSpace(bytes, stop, end) === end;
  }

  /** The value of path `index` as text: of a text what it means, of all else its JSON; undefined where there is none. */
  text(index: number): string | undefined {
    const [start, end] = [this.starts[index]!, this.ends[index]!];
    return start < 0 ? undefined : textOfValue(this.#bytes, start, end);
  }

  /** Whether the value of path `index` is the text `wanted`, given as its bytes without quotes; escapes are not undone. */
  is(index: number, wanted: Uint8Array): boolean {
    const start = this.starts[index]!;
    if (start < 0 || this.ends[index]! - start !== wanted.length + 2) return false;
    return this.#bytes[start] === quote && equalAt(this.#bytes, start + 1, wanted);
  }

  /** Offset behind the object that begins at `at`, −1 when it does not end well. */
  #object(at: number, node: PathNode): number {
    const bytes = this.#bytes;
    const end = this.#end;
    at = skipSpace(bytes, at + 1, end);
    if (bytes[at] === closeBrace && at < end) return at + 1;
    while (at < end) {
      if (bytes[at] !== quote) return -1;
      const keyEnd = skipText(bytes, at, end);
      if (keyEnd < 0) return -1;
      const child = childOf(node, bytes, at + 1, keyEnd - 1);
      at = skipSpace(bytes, keyEnd, end);
      if (at >= end || bytes[at] !== colon) return -1;
      at = skipSpace(bytes, at + 1, end);
      const stop = this.#value(at, child);
      if (stop < 0) return -1;
      at = skipSpace(bytes, stop, end);
      if (at >= end) return -1;
      if (bytes[at] === closeBrace) return at + 1;
      if (bytes[at] !== comma) return -1;
      at = skipSpace(bytes, at + 1, end);
    }
    return -1;
  }

  #value(at: number, node: PathNode | undefined): number {
    if (node === undefined) return skipValue(this.#bytes, at, this.#end);
    forget(node, this.starts);
    const inside = node.below.length > 0 && at < this.#end && this.#bytes[at] === openBrace;
    const stop = inside ? this.#object(at, node) : skipValue(this.#bytes, at, this.#end);
    if (stop >= 0 && node.index >= 0) {
      this.starts[node.index] = at;
      this.ends[node.index] = stop;
    }
    return stop;
  }
}

/** A value as text: of a text what it means, of all else its JSON. What is no JSON text is given as it stands. */
export function textOfValue(bytes: Uint8Array, start: number, end: number): string {
  const raw = decoder.decode(bytes.subarray(start, end));
  if (bytes[start] !== quote) return raw;
  if (!raw.includes("\\")) return raw.slice(1, -1);
  try {
    return String(JSON.parse(raw));
  } catch {
    return raw.slice(1, -1);
  }
}

/** Offset behind the value that begins at `at`; −1 when it is torn or none begins there. */
export function skipValue(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return -1;
  const first = bytes[at]!;
  if (first === quote) return skipText(bytes, at, end);
  if (first === openBrace || first === openBracket) return skipNested(bytes, at, end);
  let stop = at;
  while (stop < end && isBare(bytes[stop]!)) stop++;
  return stop === at ? -1 : stop;
}

/** Offset behind the closing quote of the text that begins at `at`; −1 when there is none. */
function skipText(bytes: Uint8Array, at: number, end: number): number {
  let i = at + 1;
  for (const near = Math.min(end, at + 64); i < near; i++) {
    const byte = bytes[i]!;
    if (byte === quote) return i + 1;
    if (byte === backslash) i++;
  }
  while (i < end) { // long: the runtime looks for quotes faster
    const found = bytes.indexOf(quote, i);
    if (found < 0 || found >= end) return -1;
    let escapes = 0;
    while (found - escapes > i && bytes[found - 1 - escapes] === backslash) escapes++;
    if (escapes % 2 === 0) return found + 1;
    i = found + 1;
  }
  return -1;
}

/** Behind white space of RFC 8259 section 2. */
export function skipSpace(bytes: Uint8Array, at: number, end: number): number {
  while (at < end) {
    const byte = bytes[at]!;
    if (byte !== 32 && byte !== 9 && byte !== 10 && byte !== 13) break;
    at++;
  }
  return at;
}

function skipNested(bytes: Uint8Array, at: number, end: number): number {
  let depth = 0;
  for (let i = at; i < end; i++) {
    const byte = bytes[i]!;
    if (byte === quote) {
      i = skipText(bytes, i, end) - 1;
      if (i < 0) return -1;
    } else if (byte === openBrace || byte === openBracket) depth++;
    else if ((byte === closeBrace || byte === closeBracket) && --depth === 0) return i + 1;
  }
  return -1;
}

interface PathNode {
  readonly key: Uint8Array;
  /** Of the path that ends here, or −1. */
  index: number;
  readonly below: PathNode[];
}

function addPath(root: PathNode, path: readonly string[], index: number): void {
  let node = root;
  for (const name of path) {
    const key = encoder.encode(name);
    let child = node.below.find((one) => one.key.length === key.length && equalAt(one.key, 0, key));
    if (child === undefined) node.below.push(child = { key, index: -1, below: [] });
    node = child;
  }
  node.index = index;
}

/** A key that comes again takes the place of all that the first one had. */
function forget(node: PathNode, starts: Int32Array): void {
  if (node.index >= 0) starts[node.index] = -1;
  for (const child of node.below) forget(child, starts);
}

function childOf(node: PathNode, bytes: Uint8Array, start: number, end: number): PathNode | undefined {
  for (const child of node.below) {
    if (child.key.length === end - start && equalAt(bytes, start, child.key)) return child;
  }
  const escape = bytes.subarray(start, end).indexOf(backslash);
  if (escape < 0) return undefined;
  const name = encoder.encode(textOfValue(bytes, start - 1, end + 1)); // spelt with escapes, and yet the same key
  return node.below.find((child) => child.key.length === name.length && equalAt(name, 0, child.key));
}

function equalAt(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}

/** Bytes of numbers, true, false and null. */
function isBare(byte: number): boolean {
  return (byte >= 48 && byte <= 57) || (byte >= 97 && byte <= 122) || byte === 45 || byte === 43 || byte === 46 ||
    byte === 69;
}

const empty = new Uint8Array(0);
const quote = 34;
const backslash = 92;
const openBrace = 123;
const closeBrace = 125;
const openBracket = 91;
const closeBracket = 93;
const colon = 58;
const comma = 44;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
