/**
 * One text on its way through all rules, in any chunks: the outcome depends on its bytes alone.
 *
 * ```text
 *   JSON: Secrets ─► lines ─► YAML: Secrets ─► PEM ─► patterns ─► block ─► names ─► addresses ─► out
 * ```
 */
import type { AddressScan } from "./address_scan.ts";
import { ByteBuffer } from "./byte_buffer.ts";
import { JsonSecrets } from "./json_secrets.ts";
import type { SecretLearner } from "./learned_secrets.ts";
import { LineCutter, type LineTaker, type WindowPlace } from "./lines.ts";
import type { NameScan } from "./name_scan.ts";
import { bodyRun, PemState } from "./pem_state.ts";
import type { Find, FindOptions, SecretRules } from "./secret_rules.ts";
import type { Tally } from "./tally.ts";
import { yamlLines } from "./yaml_continuation.ts";
import { YamlSecrets } from "./yaml_secrets.ts";

/** What is the same for all texts of a dump. */
export interface RuleSet {
  readonly secrets: SecretRules;
  /** Undefined: only secrets are masked. */
  readonly names?: NameScan;
  readonly addresses?: AddressScan;
  readonly learner: SecretLearner;
}

/** What is known of the text. */
export interface TextForm {
  readonly json: boolean;
  readonly yaml: boolean;
  /** Numbers with dots are versions: a list of packages. */
  readonly versions: boolean;
}

/** One text. */
export class TextRedaction implements LineTaker {
  readonly #rules: RuleSet;
  readonly #form: TextForm;
  readonly #tally: Tally;
  readonly #emit: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly #json: JsonSecrets | undefined;
  readonly #lines: LineCutter;
  readonly #yaml: YamlSecrets | undefined;
  readonly #pem = new PemState();
  readonly #lookFor: FindOptions;
  /** Lines that look like the body of a key, until it is known how many there are. */
  #run: { bytes: Uint8Array; ended: boolean }[] = [];
  #runLines = 0;
  readonly #block = new ByteBuffer();
  readonly #named = new ByteBuffer();
  readonly #out = new ByteBuffer();
  /** Lines of the chunk in which nothing was found, in one piece: they are copied together. */
  #chunk: Uint8Array | undefined;
  #cleanStart = 0;
  #cleanEnd = 0;
  /** The rest of a long line is dropped: up to its end, or to the end of the text in quotes. */
  #dropping: "line" | "value" | undefined;

  /** @param emit gets what is safe, its own bytes each time */
  constructor(rules: RuleSet, form: TextForm, tally: Tally, emit: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#rules = rules;
    this.#form = form;
    this.#tally = tally;
    this.#emit = emit;
    this.#lines = new LineCutter(this);
    this.#lookFor = { toEnd: form.yaml, embedded: !form.json };
    const { learner } = rules;
    if (form.json) this.#json = new JsonSecrets((bytes) => this.#lines.push(bytes), tally, learner);
    else {
      const lines = yamlLines(form.yaml, (...line) => this.#pemLine(...line), tally, learner);
      this.#yaml = new YamlSecrets(lines, tally, learner);
    }
  }

  /** Takes the next bytes. */
  push(bytes: Uint8Array): void {
    if (this.#json !== undefined) this.#json.push(bytes);
    else this.#lines.push(bytes);
  }

  /** The text has ended. */
  end(): void {
    this.#json?.end();
    this.#lines.end();
    this.#yaml?.end();
    this.#endRun();
    this.#flush();
  }

  chunk(bytes: Uint8Array): void {
    this.#chunk = bytes;
  }

  chunkEnds(): void {
    this.#copyClean();
    this.#chunk = undefined;
  }

  line(bytes: Uint8Array, start: number, end: number, ended: boolean): void {
    if (this.#yaml !== undefined) this.#yaml.push(bytes, start, end, ended);
    else this.#pemLine(bytes, start, end, ended);
    if (this.#block.length + this.#cleanEnd - this.#cleanStart >= blockBytes) this.#flush();
  }

  window(bytes: Uint8Array, from: number, length: number, place: WindowPlace): number {
    this.#copyClean();
    if (place.first) this.#beginLong(bytes);
    const done = this.#dropping === undefined
      ? this.#longPart(bytes, from, length, place.last)
      : this.#dropPart(bytes, from, length, place.last);
    if (place.last) {
      this.#dropping = undefined;
      if (place.ended) this.#block.push(10);
    }
    this.#flush();
    return done;
  }

  /** Whatever waits goes first. A long line in the middle of a key or of a Secret's data is dropped as a whole. */
  #beginLong(bytes: Uint8Array): void {
    const inSecret = this.#yaml?.isInData === true || this.#pem.isInside;
    const key = /^\s*(?:-\s+)*["']?[\w./-]+["']?\s*:(?=\s)/.exec(latin1.decode(bytes.subarray(0, 512)))?.[0];
    this.#yaml?.end();
    this.#endRun();
    if (!inSecret) return;
    this.#tally.add("long-line");
    this.#block.append(encoder.encode(key === undefined ? "[redacted]" : `${key} "[redacted]"`));
    this.#dropping = "line";
  }

  /** Masks up to a place where nothing is cut in two. */
  #longPart(bytes: Uint8Array, from: number, length: number, last: boolean): number {
    const { secrets } = this.#rules;
    const { finds } = secrets.mayHold(bytes, 0, length)
      ? secrets.find(bytes, 0, length, { toEnd: false, embedded: !this.#form.json })
      : { finds: [] };
    const stop = last ? length : cutPlace(bytes, from, length, finds);
    if (stop <= from) {
      // One value fills all of it: it is dropped until a quote, or the line, ends it.
      this.#block.append(mask);
      this.#tally.add("long-value");
      this.#dropping = finds.some(({ rule }) => rule === "kubernetes-secret") ? "line" : "value";
      return length;
    }
    this.#masked(bytes, from, stop, finds);
    return stop;
  }

  #dropPart(bytes: Uint8Array, from: number, length: number, last: boolean): number {
    if (this.#dropping === "line") return length;
    const quote = bytes.subarray(0, length).indexOf(34, from);
    if (quote < 0) return length;
    this.#dropping = undefined;
    return this.#longPart(bytes, quote, length, last);
  }

  /** Private keys over several lines, and what looks like the body of one. */
  #pemLine(bytes: Uint8Array, start: number, end: number, ended: boolean): void {
    if (this.#pem.isInside) {
      const span = this.#pem.mask(bytes, start, end);
      if (span !== undefined) return this.#maskSpan(bytes, start, span.start, span.end, end, ended);
    }
    const run = end - start < minBodyLine || this.#pem.isPublic ? undefined : bodyRun(bytes, start, end);
    if (run !== undefined) return this.#bodyLine(bytes, start, end, ended);
    if (this.#runLines > 0) {
      const isTail = this.#runLines >= bodyLines;
      this.#endRun();
      const tail = isTail ? lastWord(bytes, start, end) : undefined;
      if (tail !== undefined) return this.#maskSpan(bytes, start, tail.start, tail.end, end, ended);
    }
    this.#secretLine(bytes, start, end, ended);
  }

  #bodyLine(bytes: Uint8Array, start: number, end: number, ended: boolean): void {
    this.#runLines++;
    this.#run.push({ bytes: bytes.slice(start, end), ended });
    if (this.#runLines < bodyLines) return;
    for (const { bytes: line, ended } of this.#run) {
      const span = bodyRun(line, 0, line.length)!;
      this.#maskSpan(line, 0, span.start, span.end, line.length, ended);
    }
    this.#run = [];
  }

  #endRun(): void {
    for (const { bytes, ended } of this.#run) this.#secretLine(bytes, 0, bytes.length, ended);
    this.#run = [];
    this.#runLines = 0;
  }

  #maskSpan(bytes: Uint8Array, start: number, from: number, to: number, end: number, ended: boolean): void {
    if (from >= to) return this.#secretLine(bytes, start, end, ended);
    this.#tally.add("pem");
    const line = new ByteBuffer(end - start + 16);
    line.append(bytes, start, from);
    line.append(mask);
    line.append(bytes, to, end);
    this.#secretLine(line.bytes, 0, line.length, ended);
  }

  #secretLine(bytes: Uint8Array, start: number, end: number, ended: boolean): void {
    const { secrets } = this.#rules;
    if (!secrets.mayHold(bytes, start, end)) {
      if (this.#pem.isPublic) this.#pem.enter(bytes, start, end);
      return this.#cleanLine(bytes, start, end, ended);
    } else {
      const { finds, pem } = secrets.find(bytes, start, end, this.#lookFor);
      if (pem || this.#pem.isPublic) this.#pem.enter(bytes, start, end);
      this.#masked(bytes, start, end, finds);
    }
    if (ended) this.#block.push(10);
  }

  #cleanLine(bytes: Uint8Array, start: number, end: number, ended: boolean): void {
    if (bytes !== this.#chunk || !ended) {
      this.#copyClean();
      this.#block.append(bytes, start, end);
      if (ended) this.#block.push(10);
      return;
    }
    if (start !== this.#cleanEnd) {
      this.#copyClean();
      this.#cleanStart = start;
    }
    this.#cleanEnd = end + 1; // with its LF
  }

  #copyClean(): void {
    if (this.#cleanEnd > this.#cleanStart) this.#block.append(this.#chunk!, this.#cleanStart, this.#cleanEnd);
    this.#cleanStart = this.#cleanEnd = 0;
  }

  #masked(bytes: Uint8Array, from: number, to: number, finds: readonly Find[]): void {
    this.#copyClean();
    let at = from;
    for (const find of finds) {
      if (find.end <= at || find.start >= to) continue;
      this.#block.append(bytes, at, Math.max(at, find.start));
      this.#block.append(find.mask);
      this.#tally.add(find.rule);
      const value = bytes.subarray(find.start, find.end);
      this.#rules.learner.learn(find.rule, value);
      if (this.#form.yaml && find.rule === "assignment") this.#rules.learner.learnPlaced(value);
      at = Math.min(find.end, to);
    }
    this.#block.append(bytes, at, to);
  }

  #flush(): void {
    this.#copyClean();
    if (this.#block.length === 0) return;
    const { names, addresses } = this.#rules;
    let from = this.#block;
    if (names !== undefined) {
      this.#named.clear();
      names.apply(from.bytes, 0, from.length, this.#named, this.#tally);
      from = this.#named;
    }
    if (addresses !== undefined) {
      this.#out.clear();
      addresses.apply(from.bytes, 0, from.length, this.#out, this.#tally, this.#form.versions);
      from = this.#out;
    }
    this.#emit(from.copy());
    this.#block.clear();
  }
}

/** Where a window may end: in front of a separator, far enough from its end, and in nothing that is masked. */
function cutPlace(bytes: Uint8Array, from: number, length: number, finds: readonly Find[]): number {
  const latest = length - lookAheadBytes;
  let stop = latest;
  while (stop > Math.max(from, latest - searchBytes) && separators[bytes[stop]!] === 0) stop--;
  if (separators[bytes[stop]!] === 0) stop = latest;
  for (const find of finds.toReversed()) if (find.start < stop && find.end > stop) stop = find.start;
  return stop;
}

/** The last word, where it could be the short last line of a key. */
function lastWord(bytes: Uint8Array, start: number, end: number): { start: number; end: number } | undefined {
  const found = /[A-Za-z0-9+/]{1,79}={0,2}(?=["'\\\r]|$)[^ ]*$/.exec(
    latin1.decode(bytes.subarray(Math.max(start, end - 512), end)),
  );
  if (found === null) return undefined;
  const from = Math.max(start, end - 512) + found.index;
  return { start: from, end: from + /^[A-Za-z0-9+/]+={0,2}/.exec(found[0])![0].length };
}

const encoder = new TextEncoder();
const latin1 = new TextDecoder("latin1");
const mask = encoder.encode("[redacted]");
const separators = new Uint8Array(256);
for (const char of " \t\r\",;&{}|'()") separators[char.charCodeAt(0)] = 1;
const blockBytes = 256 * 1024;
const lookAheadBytes = 16 * 1024;
const searchBytes = 64 * 1024;
const bodyLines = 3;
const minBodyLine = 60;
