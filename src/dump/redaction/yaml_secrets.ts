/**
 * Kubernetes Secrets in YAML, line by line: the values below `data:` and `stringData:` of a mapping that is of `kind: Secret`.
 * The kind stands behind the data where keys are sorted, so lines wait until it is known, up to 4 MiB; what is
 * still unknown then is masked. Also values of environment variables (`name:`, `value:`) whose name says that they are
 * secret, block texts below such a key, and the copy of the whole object that `kubectl apply` leaves in an annotation.
 */
import { secretName } from "../../rules/redact_presets.ts";
import { ByteBuffer } from "./byte_buffer.ts";
import type { SecretLearner } from "./learned_secrets.ts";
import type { Tally } from "./tally.ts";
import { indentOf, indentOfKey, inYaml, keyLine, startsKey } from "./yaml_lines.ts";

/** Takes lines that are ready. */
export type EmitLine = (bytes: Uint8Array, start: number, end: number, ended: boolean) => void;

/** A mapping that is open: its keys stand `indent` columns from the left. */
interface Mapping {
  readonly indent: number;
  kind: "secret" | "other" | undefined;
  /** Index of the waiting `data:` lines of this mapping: first and behind the last. */
  spans: Span[];
  /** The value of `name:` sounds secret. */
  secretEntry: boolean;
}

interface Span {
  readonly first: number;
  end: number;
  readonly indent: number;
}

interface WaitingLine {
  readonly start: number;
  readonly end: number;
  readonly ended: boolean;
}

/** One text. */
export class YamlSecrets {
  readonly #emit: EmitLine;
  readonly #tally: Tally;
  readonly #learner: SecretLearner;
  #mappings: Mapping[] = [];
  readonly #held = new ByteBuffer(4_096);
  #lines: WaitingLine[] = [];
  /** Replacements of waiting lines by index; `null` drops one. */
  readonly #replaced = new Map<number, Uint8Array | null>();
  /** Data whose lines still come. */
  #open: { mapping: Mapping; span: Span }[] = [];
  /** Lines deeper than this are dropped: they belong to a text that was masked. */
  #dropDeeper = -1;

  constructor(emit: EmitLine, tally: Tally, learner: SecretLearner) {
    this.#emit = emit;
    this.#tally = tally;
    this.#learner = learner;
  }

  /** Whether lines that come now may be a Secret's data. */
  get isInData(): boolean {
    return this.#dropDeeper >= 0 || this.#open.some(({ mapping }) => mapping.kind !== "other");
  }

  /** Takes a line. */
  push(bytes: Uint8Array, start: number, end: number, ended: boolean): void {
    const indent = indentOf(bytes, start, end);
    if (indent >= 0 && indent - start <= this.#dropDeeper) this.#dropDeeper = -1;
    if (this.#dropDeeper >= 0) return this.#learner.learn("block", bytes.subarray(start, end));
    if (this.#lines.length === 0 && this.#mappings.length === 0 && !startsKey(bytes, indent, end)) {
      return this.#emit(bytes, start, end, ended);
    }
    this.#structured(bytes, start, end, ended, indent < 0 ? -1 : indent - start);
  }

  /** The text has ended, or something came that is no YAML: everything that waits is decided. */
  end(): void {
    this.#close(-1);
    this.#release();
    this.#dropDeeper = -1;
  }

  #structured(bytes: Uint8Array, start: number, end: number, ended: boolean, indent: number): void {
    const line = latin1.decode(bytes.subarray(start, Math.min(end, start + maxKeyBytes)));
    const found = indent < 0 ? null : keyLine.exec(line);
    if (indent >= 0) this.#close(indent === 0 && found === null && !inYaml.test(line) ? -1 : indent);
    if (found === null) return this.#keep(bytes, start, end, ended);
    const column = found[1]!.length;
    const key = found[3]!;
    if (!wanted.has(key) && !/[|>][-+0-9]*$/.test(found[4]!.trimEnd())) return this.#keep(bytes, start, end, ended);
    const value = found[4]!.trim();
    const mapping = this.#mappingAt(column);
    if (this.#isMaskedText(key, value)) {
      this.#dropDeeper = indentOfKey(line);
      return this.#keepText(`${line.slice(0, line.length - found[4]!.length)} "[redacted]"`, ended);
    }
    if (mapping.secretEntry && key === "value" && value !== "") {
      this.#tally.add("environment");
      mapping.secretEntry = false;
      this.#learner.learnPlaced(encoder.encode(value));
      const comma = /,\s*$/.test(value) ? "," : "";
      if (/^[|>]/.test(value)) this.#dropDeeper = indentOfKey(line);
      return this.#keepText(`${line.slice(0, line.length - found[4]!.length)} "[redacted]"${comma}`, ended);
    }
    if (key === "name") mapping.secretEntry = secretWord.test(value.replace(/["',\s]+$/, ""));
    else if (key === "kind") this.#setKind(mapping, /^["']?Secret["',\s]*(?:#.*)?$/.test(value) ? "secret" : "other");
    else if (key === "type" && secretType.test(value)) this.#setKind(mapping, "secret");
    this.#keep(bytes, start, end, ended);
    if (key === "data" || key === "stringData") this.#openData(mapping, column, line, found[4]!);
  }

  #isMaskedText(key: string, value: string): boolean {
    const isCopy = key === "kubectl.kubernetes.io/last-applied-configuration";
    if (!isCopy && !(/^[|>][-+0-9]*$/.test(value) && secretWord.test(key))) return false;
    this.#tally.add(isCopy ? "last-applied" : "assignment");
    return true;
  }

  /** The mapping with keys at `column`; a new one where none is open. */
  #mappingAt(column: number): Mapping {
    const last = this.#mappings.at(-1);
    if (last?.indent === column) return last;
    const mapping: Mapping = { indent: column, kind: undefined, spans: [], secretEntry: false };
    this.#mappings.push(mapping);
    return mapping;
  }

  #openData(mapping: Mapping, indent: number, line: string, value: string): void {
    const span = { first: this.#lines.length - 1, end: this.#lines.length, indent };
    const text = value.trim();
    if (text !== "" && !text.startsWith("#") && !/^[{|>&!]/.test(text)) return; // a plain word is no data
    if (/^\{.*\}\s*,?$/.test(text) || /^\{/.test(text)) this.#flow(mapping, line, value);
    mapping.spans.push(span);
    this.#open.push({ mapping, span });
  }

  /** `data: {a: b}`: masked at once, unless it is known to be something else. */
  #flow(mapping: Mapping, line: string, value: string): void {
    const text = value.trim();
    if (mapping.kind === "other" || text === "{}" || text === "{" || text === "{},") return;
    this.#tally.add("kubernetes-secret");
    for (const pair of text.slice(1).split(",")) {
      this.#learner.learnPlaced(encoder.encode(pair.replace(/^[^:]*:|\}$/g, "").trim()));
    }
    const comma = text.endsWith(",") ? "," : "";
    this.#replaced.set(
      this.#lines.length - 1,
      encoder.encode(`${line.slice(0, line.length - value.length)} {}${comma}`),
    );
  }

  #setKind(mapping: Mapping, kind: "secret" | "other"): void {
    if (mapping.kind === "secret") return;
    mapping.kind = kind;
  }

  /** Ends what a line at `indent` ends. */
  #close(indent: number): void {
    this.#open = this.#open.filter(({ span }) => {
      const isOver = indent <= span.indent;
      if (isOver) span.end = this.#lines.length;
      return !isOver;
    });
    while (this.#mappings.length > 0) {
      const last = this.#mappings.at(-1)!;
      if (last.indent <= indent) break; // items may stand as far left as the key of their list
      this.#mappings.pop();
      this.#decide(last);
    }
    this.#release();
  }

  /** A mapping is complete: are its data a Secret's? Without a kind they are when all of them look like base64. */
  #decide(mapping: Mapping): void {
    for (const span of mapping.spans) {
      const secret = mapping.kind === "secret" || (mapping.kind === undefined && this.#looksEncoded(span));
      if (secret) this.#mask(span);
    }
    mapping.spans = [];
  }

  #looksEncoded(span: Span): boolean {
    let values = 0;
    for (let i = span.first + 1; i < span.end; i++) {
      const text = this.#text(i);
      if (text.trim() === "") continue;
      const value = /^\s*["']?[-\w.]+["']?\s*:\s*["']?([A-Za-z0-9+/]*={0,2})["']?,?\s*$/.exec(text)?.[1];
      if (value === undefined || value.length % 4 !== 0) return false;
      if (value.length >= 4) values++;
    }
    return values > 0;
  }

  /** Keeps the keys of a span and masks their values, whatever form these have. */
  #mask(span: Span): void {
    let column = -1;
    for (let i = span.first + 1; i < span.end; i++) {
      const text = this.#text(i);
      if (text.trim() === "") continue;
      const indent = text.search(/\S/);
      if (column < 0) column = indent;
      const key = indent === column ? /^\s*(?:"[^"]*"|'[^']*'|[^\s"'#{][^:]*?)\s*:(?=\s|$)/.exec(text)?.[0] : undefined;
      const comma = /,\s*$/.test(text) && key !== undefined && /^\s*"/.test(key) ? "," : "";
      this.#replaced.set(i, key === undefined ? null : encoder.encode(`${key} "[redacted]"${comma}`));
      if (key === undefined) this.#learner.learn("block", encoder.encode(text));
      else {
        this.#tally.add("kubernetes-secret");
        this.#learner.learnPlaced(encoder.encode(text.slice(key.length).trim()));
      }
    }
  }

  #text(index: number): string {
    const line = this.#lines[index]!;
    return latin1.decode(this.#held.bytes.subarray(line.start, line.end));
  }

  #keep(bytes: Uint8Array, start: number, end: number, ended: boolean): void {
    const at = this.#held.length;
    this.#held.append(bytes, start, end);
    this.#lines.push({ start: at, end: this.#held.length, ended });
    if (this.#held.length > maxHeldBytes || this.#lines.length > maxHeldLines) this.#giveUp();
  }

  #keepText(text: string, ended: boolean): void {
    const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0) & 255);
    this.#keep(bytes, 0, bytes.length, ended);
  }

  /** Too much waits: what is not known to be harmless is masked. */
  #giveUp(): void {
    for (const { span } of this.#open) span.end = this.#lines.length;
    for (const mapping of this.#mappings) {
      if (mapping.kind !== "other") { for (const span of mapping.spans) this.#mask(span); }
      mapping.spans = [];
    }
    const deepest = this.#open.find(({ mapping }) => mapping.kind !== "other");
    if (deepest !== undefined) this.#dropDeeper = deepest.span.indent;
    this.#open = [];
    this.#release();
  }

  /** Lets go of everything that no undecided span holds back. */
  #release(): void {
    let first = this.#lines.length;
    for (const mapping of this.#mappings) for (const span of mapping.spans) first = Math.min(first, span.first);
    if (first === 0) return;
    for (let i = 0; i < first; i++) {
      const { start, end, ended } = this.#lines[i]!;
      const replaced = this.#replaced.get(i);
      if (replaced === undefined) this.#emit(this.#held.bytes, start, end, ended);
      else if (replaced !== null) this.#emit(replaced, 0, replaced.length, ended);
    }
    this.#forget(first);
  }

  #forget(count: number): void {
    const bytes = count === this.#lines.length ? this.#held.length : this.#lines[count]!.start;
    this.#held.shift(bytes);
    this.#lines = this.#lines.slice(count).map(({ start, end, ended }) => ({
      start: start - bytes,
      end: end - bytes,
      ended,
    }));
    const replaced = [...this.#replaced];
    this.#replaced.clear();
    for (const [index, text] of replaced) if (index >= count) this.#replaced.set(index - count, text);
    for (const mapping of this.#mappings) {
      mapping.spans = mapping.spans.map((span) => {
        const moved = { first: span.first - count, end: span.end - count, indent: span.indent };
        for (const open of this.#open) if (open.span === span) (open as { span: Span }).span = moved;
        return moved;
      });
    }
  }
}

const secretWord = new RegExp(`${secretName}$`, "i");
const secretType = /^["']?(?:Opaque|kubernetes\.io\/|bootstrap\.kubernetes\.io\/|helm\.sh\/release)/;
const wanted = new Set([
  "kind",
  "data",
  "stringData",
  "type",
  "name",
  "value",
  "kubectl.kubernetes.io/last-applied-configuration",
]);
const latin1 = new TextDecoder("latin1");
const encoder = { encode: (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0) & 255) };
const maxKeyBytes = 64 * 1024;
const maxHeldBytes = 4 * 1024 * 1024;
const maxHeldLines = 100_000;
