/**
 * The text of a pattern as a tree. The syntax is POSIX ERE (`[[:alpha:]]`, `a{2,5}`, `(x|y)`) with the usual additions
 * `\d \w \s \b`, lazy quantifiers, `(?:…)` and a leading `(?i)`. What could not be matched in linear time (back
 * references, look-around) is refused. Patterns work on bytes: a character outside ASCII is the bytes of its UTF-8,
 * `.` is any one byte, `^` and `$` are the ends of the record.
 */

/** Membership of all 256 bytes: 1 where a byte belongs to the set. */
export type ByteSet = Uint8Array;

/** Part of a pattern. */
export type Node =
  | { readonly kind: "bytes"; readonly set: ByteSet }
  | { readonly kind: "sequence"; readonly nodes: readonly Node[] }
  | { readonly kind: "either"; readonly nodes: readonly Node[] }
  | { readonly kind: "repeat"; readonly node: Node; readonly min: number; readonly max: number; readonly lazy: boolean }
  | { readonly kind: "group"; readonly node: Node }
  | { readonly kind: "assert"; readonly what: Assertion };

/** A condition on the place between two bytes. */
export type Assertion = "start" | "end" | "word" | "notWord";

/** The tree of a pattern. @throws an Error that says what is wrong, where, and what is allowed */
export function parsePattern(source: string): Node {
  if (source.length > maxLength) throw new Error(`the pattern is longer than ${maxLength} characters`);
  return new Parser(source).parse();
}

class Parser {
  readonly #source: string;
  readonly #ignoreCase: boolean;
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
    this.#ignoreCase = source.startsWith("(?i)");
    if (this.#ignoreCase) this.#at = 4;
  }

  parse(): Node {
    const node = this.#either();
    if (this.#at < this.#source.length) throw this.#mistake('")" closes nothing; write "\\)" for a bracket');
    return node;
  }

  #either(): Node {
    if (++this.#depth > maxDepth) throw this.#mistake(`groups are nested deeper than ${maxDepth}`);
    const nodes = [this.#sequence()];
    while (this.#take("|")) nodes.push(this.#sequence());
    this.#depth--;
    return nodes.length === 1 ? nodes[0]! : { kind: "either", nodes };
  }

  #sequence(): Node {
    const nodes: Node[] = [];
    while (this.#at < this.#source.length && this.#peek() !== "|" && this.#peek() !== ")") {
      nodes.push(this.#quantified(this.#atom()));
    }
    return nodes.length === 1 ? nodes[0]! : { kind: "sequence", nodes };
  }

  #quantified(node: Node): Node {
    const bounds = this.#quantifier();
    if (bounds === undefined) return node;
    const [min, max] = bounds;
    if (min > max) throw this.#mistake(`{${min},${max}} is backwards`);
    const lazy = this.#take("?");
    if (this.#quantifier() !== undefined || this.#peek() === "+") {
      throw this.#mistake("a quantifier follows a quantifier");
    }
    return { kind: "repeat", node, min, max, lazy };
  }

  #quantifier(): readonly [min: number, max: number] | undefined {
    if (this.#take("*")) return [0, Infinity];
    if (this.#take("+")) return [1, Infinity];
    if (this.#take("?")) return [0, 1];
    const match = /^\{(\d*)(,?)(\d*)\}/.exec(this.#source.slice(this.#at, this.#at + 16));
    if (match === null || (match[1] === "" && match[3] === "")) return undefined;
    const min = Number(match[1]);
    const max = match[2] === "" ? min : match[3] === "" ? Infinity : Number(match[3]);
    if (min > maxRepeat || (max > maxRepeat && max !== Infinity)) {
      throw this.#mistake(`at most ${maxRepeat} repetitions`);
    }
    this.#at += match[0].length;
    return [min, max];
  }

  #atom(): Node {
    const char = this.#next();
    if (char === "(") return this.#group();
    if (char === "[") return this.#brackets();
    if (char === ".") return { kind: "bytes", set: new Uint8Array(256).fill(1) };
    if (char === "^") return { kind: "assert", what: "start" };
    if (char === "$") return { kind: "assert", what: "end" };
    if (char === "\\") return this.#escape();
    if (char === "*" || char === "+" || char === "?") {
      throw this.#mistake(`there is nothing for "${char}" to repeat; write "\\${char}" for the character`);
    }
    return this.#literal(char);
  }

  #group(): Node {
    let captures = true;
    if (this.#take("?")) {
      captures = this.#groupName();
    }
    const node = this.#either();
    if (!this.#take(")")) throw this.#mistake('a "(" is not closed; write "\\(" for a bracket');
    return captures ? { kind: "group", node } : node;
  }

  /** What follows `(?`; returns whether the group captures. */
  #groupName(): boolean {
    if (this.#take(":")) return false;
    const name = /^P?<\w+>/.exec(this.#source.slice(this.#at, this.#at + 64));
    if (name !== null) {
      this.#at += name[0].length;
      return true;
    }
    if (/^<?[=!]/.test(this.#source.slice(this.#at))) {
      throw this.#mistake("look-around is not supported: it cannot be matched in bounded time");
    }
    throw this.#mistake('of "(?…" only (?:…), (?<name>…) and a leading (?i) are supported');
  }

  #escape(): Node {
    const char = this.#next();
    if (char === "b") return { kind: "assert", what: "word" };
    if (char === "B") return { kind: "assert", what: "notWord" };
    const set = classOf(char);
    if (set !== undefined) return { kind: "bytes", set };
    const byte = this.#escapedByte(char);
    return byte === undefined ? this.#literal(char) : this.#bytes([byte]);
  }

  /** The byte of `\n`, `\x41` …; undefined when the character stands for itself. */
  #escapedByte(char: string): number | undefined {
    if (Object.hasOwn(controls, char)) return controls[char];
    if (char === "x") {
      const digits = this.#source.slice(this.#at, this.#at + 2);
      if (!/^[0-9a-fA-F]{2}$/.test(digits)) throw this.#mistake("\\x needs two hexadecimal digits");
      this.#at += 2;
      return parseInt(digits, 16);
    }
    if (char >= "1" && char <= "9") {
      throw this.#mistake("back references are not supported: they cannot be matched in bounded time");
    }
    if (/[A-Za-z0]/.test(char)) {
      throw this.#mistake(`"\\${char}" is unknown; known are \\d \\w \\s \\b \\n \\r \\t \\f \\v \\xHH`);
    }
    return undefined;
  }

  #brackets(): Node {
    const negated = this.#take("^");
    const set = new Uint8Array(256);
    const wide: Node[] = [];
    const first = this.#at;
    while (this.#at === first || this.#peek() !== "]") {
      if (this.#at >= this.#source.length) throw this.#mistake('a "[" is not closed; write "\\[" for a bracket');
      this.#bracketItem(set, wide, negated);
    }
    this.#at++;
    if (this.#ignoreCase) foldCase(set);
    const node: Node = { kind: "bytes", set: negated ? complement(set) : set };
    return wide.length === 0 ? node : { kind: "either", nodes: [node, ...wide] };
  }

  #bracketItem(set: ByteSet, wide: Node[], negated: boolean): void {
    const named = /^\[([:.=])([^\]]*)\1\]/.exec(this.#source.slice(this.#at, this.#at + 32));
    if (named !== null) {
      this.#at += named[0].length;
      const members = named[1] === ":" ? posixClass(named[2]!) : undefined;
      if (members === undefined) throw this.#mistake(`"${named[0]}" is unknown; known are ${posixNames.join(", ")}`);
      return addAll(set, members);
    }
    const low = this.#bracketByte(set, wide, negated);
    if (low === undefined) return;
    const isRange = this.#peek() === "-" && this.#source[this.#at + 1] !== "]" && this.#at + 1 < this.#source.length;
    if (!isRange) {
      set[low] = 1;
      return;
    }
    this.#at++;
    const high = this.#bracketByte(undefined, undefined, negated);
    if (high === undefined || high < low) {
      throw this.#mistake("a range in brackets must go from a lower ASCII character to a higher one");
    }
    set.fill(1, low, high + 1);
  }

  /** One byte of a bracket expression; undefined when it was a class or a wide character, which are added at once. */
  #bracketByte(set: ByteSet | undefined, wide: Node[] | undefined, negated: boolean): number | undefined {
    const char = this.#next();
    const code = char.codePointAt(0)!;
    if (char === "\\") {
      const escaped = this.#next();
      const members = classOf(escaped);
      if (members === undefined) return this.#escapedByte(escaped) ?? this.#asciiOnly(escaped);
      if (set === undefined) throw this.#mistake("a class cannot end a range");
      addAll(set, members);
      return undefined;
    }
    if (code < 128) return code;
    if (wide === undefined || negated) return this.#asciiOnly(char);
    wide.push(this.#literal(char));
    return undefined;
  }

  #asciiOnly(char: string): number {
    const code = char.codePointAt(0)!;
    if (code < 128) return code;
    throw this.#mistake(`"${char}" is not ASCII, so it cannot stand in "[^…]" or in a range`);
  }

  #literal(char: string): Node {
    return this.#bytes(encoder.encode(char));
  }

  #bytes(bytes: Iterable<number>): Node {
    const nodes: Node[] = [];
    for (const byte of bytes) {
      nodes.push({ kind: "bytes", set: singleByte(byte, this.#ignoreCase) });
    }
    return nodes.length === 1 ? nodes[0]! : { kind: "sequence", nodes };
  }

  #peek(): string | undefined {
    return this.#source[this.#at];
  }

  #take(char: string): boolean {
    if (this.#peek() !== char) return false;
    this.#at++;
    return true;
  }

  /** The next character, surrogate pairs whole. */
  #next(): string {
    const code = this.#source.codePointAt(this.#at);
    if (code === undefined) throw this.#mistake("the pattern ends too early");
    const char = String.fromCodePoint(code);
    this.#at += char.length;
    return char;
  }

  #mistake(text: string): Error {
    return new Error(`${text} (at character ${Math.min(this.#at, this.#source.length)})`);
  }
}

/** The bytes of `\d`, `\W` and their like; undefined for any other letter. */
function classOf(letter: string): ByteSet | undefined {
  const members = posixClass({ d: "digit", w: "word", s: "space" }[letter.toLowerCase()] ?? "");
  return members === undefined || letter === letter.toLowerCase() ? members : complement(members);
}

function posixClass(name: string): ByteSet | undefined {
  if (!Object.hasOwn(posixClasses, name)) return undefined;
  const pattern = posixClasses[name]!;
  const set = new Uint8Array(256);
  for (let byte = 0; byte < 128; byte++) if (pattern.test(String.fromCharCode(byte))) set[byte] = 1;
  return set;
}

function addAll(set: ByteSet, members: ByteSet): void {
  for (let byte = 0; byte < 256; byte++) if (members[byte] === 1) set[byte] = 1;
}

function complement(set: ByteSet): ByteSet {
  return set.map((member) => 1 - member);
}

/** The set of one byte; the same object each time, because programs are mostly made of these. */
function singleByte(byte: number, ignoreCase: boolean): ByteSet {
  const known = singles[ignoreCase ? byte + 256 : byte];
  if (known !== undefined) return known;
  const set = new Uint8Array(256);
  set[byte] = 1;
  if (ignoreCase) foldCase(set);
  return singles[ignoreCase ? byte + 256 : byte] = set;
}

function foldCase(set: ByteSet): void {
  for (let lower = 97; lower <= 122; lower++) set[lower] = set[lower - 32] = set[lower]! | set[lower - 32]!;
}

const controls: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, a: 7, e: 27 };
const posixClasses: Readonly<Record<string, RegExp>> = {
  alpha: /[A-Za-z]/,
  digit: /[0-9]/,
  alnum: /[A-Za-z0-9]/,
  upper: /[A-Z]/,
  lower: /[a-z]/,
  space: /[ \t\n\r\f\v]/,
  blank: /[ \t]/,
  punct: /[!-/:-@[-`{-~]/,
  print: /[ -~]/,
  graph: /[!-~]/,
  // deno-lint-ignore no-control-regex -- it is the class of control characters
  cntrl: /[\x00-\x1f\x7f]/,
  xdigit: /[0-9A-Fa-f]/,
  word: /[A-Za-z0-9_]/,
};
const posixNames = Object.keys(posixClasses).map((name) => `[:${name}:]`);
const singles: (ByteSet | undefined)[] = [];
const encoder = new TextEncoder();
const maxLength = 16_384;
const maxDepth = 100;
const maxRepeat = 1_000;
