/**
 * Secrets by their looks: the presets of `rules/`, which `ship` has too, and the user's own patterns. One automaton says
 * whether a line holds any; only then a second one says which, and those are looked for. All of it takes time linear in
 * the line.
 */
import { ConfigError } from "../../pipeline/errors.ts";
import { type Accept, presetPatterns } from "../../rules/redact_presets.ts";
import { hidden, isMask } from "../../rules/redact.ts";
import { compileAny, compileSet, Pattern } from "../../rules/pattern/pattern.ts";
import { embeddedSecret } from "./embedded_secret.ts";

/** A pattern of the user: a group in it is what is hidden, without one the whole match. */
export interface CustomPattern {
  /** For the counts; `custom` without one. */
  readonly name?: string;
  readonly regex: string;
  /** What takes the place; `[redacted]` without it. */
  readonly replacement?: string;
}

/** Something to replace in a line. */
export interface Find {
  readonly start: number;
  end: number;
  readonly rule: string;
  readonly mask: Uint8Array;
}

/** How a line is searched. */
export interface FindOptions {
  readonly toEnd: boolean;
  readonly embedded: boolean;
}

/** What a line holds. */
export interface Finds {
  readonly finds: readonly Find[];
  /** The beginning of a PEM may be in it, of a certificate, too. */
  readonly pem: boolean;
}

interface Rule {
  readonly name: string;
  readonly pattern: Pattern;
  readonly accept?: Accept;
  readonly replacement?: Uint8Array;
}

/** Finds secrets in lines. It keeps working memory, so it serves one caller at a time. */
export class SecretRules {
  readonly #rules: readonly Rule[];
  readonly #any: { test: Test };
  /** Says which of the rules match, and behind them whether it may hold a Secret or a PEM. */
  readonly #set: { find: FindWhich };
  readonly #found: Uint8Array;

  /** @throws ConfigError with every pattern that is none */
  constructor(custom: readonly CustomPattern[] = []) {
    const problems: string[] = [];
    const own = custom.flatMap((entry, i) => {
      try {
        return [customRule(entry)];
      } catch (error) {
        problems.push(`Cannot use redaction pattern ${i + 1} "${entry.regex}": ${(error as Error).message}`);
        return [];
      }
    });
    if (problems.length > 0) throw new ConfigError(problems);
    const presets = presetPatterns.secrets.map(({ name, regex, accept }) => ({
      name,
      pattern: new Pattern(regex),
      ...(accept === undefined ? {} : { accept }),
    }));
    this.#rules = [...presets, ...own];
    const sources = this.#rules.map(({ pattern }) => pattern.source);
    this.#any = automatonOf([...sources, anyPem, anySecret]);
    this.#set = setOf([...sources, anyBegin, anyKind], 0);
    this.#found = new Uint8Array(sources.length + 2);
  }

  /** Whether `bytes[start..end)` may hold something, or the beginning of any PEM; quick. */
  mayHold(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#any.test(bytes, start, end);
  }

  /**
   * Whatever is to be replaced in `bytes[start..end)`, from left to right, without overlaps.
   * @param toEnd values go on over spaces
   * @param embedded Kubernetes Secrets as JSON within the line count, too; finds may overlap then
   */
  find(bytes: Uint8Array, start: number, end: number, { toEnd, embedded }: FindOptions): Finds {
    const found = this.#found.fill(0);
    this.#set.find(bytes, start, end, found);
    const secrets = this.#findOf(found, bytes, start, end, toEnd);
    const [pem, kind] = [found[this.#rules.length] === 1, found[this.#rules.length + 1] === 1];
    if (!embedded || !kind) return { finds: secrets, pem };
    const inside = embeddedSecret(bytes, start, end);
    return { finds: inside.length === 0 ? secrets : [...secrets, ...inside].sort((a, b) => a.start - b.start), pem };
  }

  #findOf(found: Uint8Array, bytes: Uint8Array, start: number, end: number, toEnd: boolean): readonly Find[] {
    const finds: Find[] = [];
    const spans: number[] = [];
    const isJson = bytes[start] === 123;
    for (let index = 0; index < this.#rules.length; index++) {
      if (found[index] === 0) continue;
      const rule = this.#rules[index]!;
      spans.length = 0;
      const complete = rule.pattern.findAll(bytes, start, end, spans);
      for (let i = 0; i < spans.length; i += 2) {
        const from = spans[i]!;
        const certain = !complete && i === spans.length - 2;
        if (isMask(bytes, from, spans[i + 1]!)) continue;
        if (!certain && rule.accept?.(bytes, from, spans[i + 1]!, start, end) === false) continue;
        const within = isJson && !overQuotes.has(rule.name) ? endOfQuoted(bytes, from, spans[i + 1]!) : spans[i + 1]!;
        const stop = stretched(rule.name, bytes, start, from, within, end, toEnd);
        if (stop <= from) continue;
        finds.push({ start: from, end: stop, rule: rule.name, mask: rule.replacement ?? hidden(bytes, from) });
      }
    }
    return merged(finds);
  }
}

function customRule({ name = "custom", regex, replacement }: CustomPattern): Rule {
  const pattern = new Pattern(regex);
  return { name, pattern, ...(replacement === undefined ? {} : { replacement: encoder.encode(replacement) }) };
}

type Test = (bytes: Uint8Array, start: number, end: number) => boolean;
type FindWhich = (bytes: Uint8Array, start: number, end: number, found: Uint8Array) => void;

/** One automaton for all; where together they are too large, one for each half. @throws never for patterns that compile alone */
function automatonOf(sources: readonly string[]): { test: Test } {
  try {
    return compileAny(sources);
  } catch (error) {
    if (sources.length < 2) throw error;
    const half = sources.length >> 1;
    const [a, b] = [automatonOf(sources.slice(0, half)), automatonOf(sources.slice(half))];
    return { test: (bytes, start, end) => a.test(bytes, start, end) || b.test(bytes, start, end) };
  }
}

/** The same for which of them match; `first` is the number of the first. */
function setOf(sources: readonly string[], first: number): { find: FindWhich } {
  try {
    const set = compileSet(sources);
    return {
      find: (bytes, start, end, found) => set.find(bytes, start, end, first === 0 ? found : found.subarray(first)),
    };
  } catch (error) {
    if (sources.length < 2) throw error;
    const half = sources.length >> 1;
    const [a, b] = [setOf(sources.slice(0, half), first), setOf(sources.slice(half), first + half)];
    return { find: (bytes, start, end, found) => (a.find(bytes, start, end, found), b.find(bytes, start, end, found)) };
  }
}

/** In a line that is JSON, nothing goes on over a quote, or the backslashes before it. */
function endOfQuoted(bytes: Uint8Array, start: number, end: number): number {
  const quote = bytes.subarray(start, end).indexOf(34);
  if (quote < 0) return end;
  let stop = start + quote;
  while (stop > start && bytes[stop - 1] === backslash) stop--;
  return stop;
}

/** Where a find really ends: a PEM before the backslashes of a quote, an unquoted value behind the commas within it. */
function stretched(
  rule: string,
  bytes: Uint8Array,
  lineStart: number,
  start: number,
  stop: number,
  end: number,
  toEnd: boolean,
): number {
  if (rule === "pem") {
    let at = stop;
    if (at < end && isQuote(bytes[at]!)) { while (at > start && bytes[at - 1] === backslash) at--; }
    return at;
  }
  if (rule !== "assignment" || (start > lineStart && isQuote(bytes[start - 1]!))) return stop;
  if (toEnd && isKeyOfLine(bytes, lineStart, start)) return endOfPlainScalar(bytes, stop, end);
  let at = stop;
  // `password= token="abc"`: what was taken for the value is a name, and its value follows.
  if ((bytes[at - 1] === 61 || bytes[at - 1] === 58) && at < end && isQuote(bytes[at]!)) {
    const close = bytes.subarray(0, end).indexOf(bytes[at]!, at + 1);
    at = close < 0 ? end : close + 1;
  }
  while (at < end && goesOn(bytes, at, end)) {
    at++;
    while (at < end && !isSpace(bytes[at]!) && !isStop(bytes[at]!)) at++;
  }
  return at;
}

/** Whether what stands behind a comma, semicolon or ampersand still is the value, and no further pair of name and value. */
function goesOn(bytes: Uint8Array, at: number, end: number): boolean {
  if (bytes[at] !== 44 && bytes[at] !== 59 && bytes[at] !== 38) return false;
  let next = at + 1;
  while (next < end && isNameByte(bytes[next]!)) next++;
  if (next === at + 1 || next - at > 256) return false;
  return next >= end || !(bytes[next] === 61 || bytes[next] === 58 || bytes[next] === 34 || bytes[next] === 39);
}

/** Whether only indentation, dashes and one word with a colon stand before the value: `  password: `. */
function isKeyOfLine(bytes: Uint8Array, lineStart: number, start: number): boolean {
  let at = start - 1;
  while (at > lineStart && bytes[at] === 32) at--;
  if (bytes[at] !== 58) return false;
  for (at--; at >= lineStart; at--) {
    const byte = bytes[at]!;
    if (!isNameByte(byte) && byte !== 32 && !isQuote(byte)) return false;
  }
  return true;
}

/** A plain scalar of YAML ends at ` #` or with the line (YAML 1.2.2 section 7.3.3). */
function endOfPlainScalar(bytes: Uint8Array, from: number, end: number): number {
  for (let at = from; at + 1 < end; at++) if (bytes[at] === 32 && bytes[at + 1] === 35) return at;
  return bytes[end - 1] === 13 ? end - 1 : end;
}

/** Sorted, and those that overlap as one. */
function merged(finds: Find[]): readonly Find[] {
  if (finds.length < 2) return finds;
  finds.sort((a, b) => a.start - b.start || b.end - a.end);
  const out: Find[] = [];
  for (const find of finds) {
    const last = out.at(-1);
    if (last !== undefined && find.start < last.end) last.end = Math.max(last.end, find.end);
    else out.push(find);
  }
  return out;
}

function isNameByte(byte: number): boolean {
  return (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122) || byte === 95 ||
    byte === 45 || byte === 46;
}

function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}

function isQuote(byte: number): boolean {
  return byte === 34 || byte === 39;
}

/** What ends a word that is no part of it: separators, quotes, backslash. */
function isStop(byte: number): boolean {
  return byte === 44 || byte === 59 || byte === 38 || isQuote(byte) || byte === backslash;
}

/** Their patterns know about quotes. */
const overQuotes: ReadonlySet<string> = new Set(["assignment", "kubernetes-secret"]);
const backslash = 92;
const anySecret = String.raw`"kind\\*"[[:space:]]*:[[:space:]]*\\*"Secret`;
/** What {@linkcode PemState.enter} looks for. */
const anyBegin = "----[- ]BEGIN|^Private-Lines: [0-9]";
/** What {@linkcode embeddedSecret} looks for begins so. */
const anyKind = String.raw`"kind\\*"`;
const anyPem = "----[- ]BEGIN |^Private-Lines: [0-9]";
const encoder = new TextEncoder();
