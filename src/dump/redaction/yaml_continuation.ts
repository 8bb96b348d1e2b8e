/**
 * Values of YAML that begin behind their key's line, or go on over further lines (YAML 1.2.2 section 7.3): below a key that
 * sounds secret all of them are hidden. Block texts are the business of `yaml_secrets.ts`.
 */
import { secretName } from "../../rules/secret_name.ts";
import { indentOf, inYaml, keyLine } from "./yaml_lines.ts";
import type { SecretLearner } from "./learned_secrets.ts";
import type { Tally } from "./tally.ts";
import type { EmitLine } from "./yaml_secrets.ts";

/** Hands lines to `next`; where they are known to be YAML, without what goes on over several. */
export function yamlLines(isYaml: boolean, next: EmitLine, tally: Tally, learner: SecretLearner): EmitLine {
  if (!isYaml) return next;
  const continued = new YamlContinuation(next, tally, learner);
  return (...line) => continued.push(...line);
}

interface OpenValue {
  readonly column: number;
  readonly quote: string;
  /** It is the next item of a list: `- --password` and below it `- x`. */
  readonly isItem?: boolean;
  hasValue: boolean;
}

/** One text of YAML, line by line. */
class YamlContinuation {
  readonly #emit: EmitLine;
  readonly #tally: Tally;
  readonly #learner: SecretLearner;
  /** The value that may go on: column of its key, and the quote that ends it. */
  #open: OpenValue | undefined;

  constructor(emit: EmitLine, tally: Tally, learner: SecretLearner) {
    this.#emit = emit;
    this.#tally = tally;
    this.#learner = learner;
  }

  /** Takes a line; what goes on is replaced, or left out. */
  push(bytes: Uint8Array, start: number, end: number, ended: boolean): void {
    const indent = indentOf(bytes, start, end);
    if (indent < 0) return this.#emit(bytes, start, end, ended);
    const text = latin1.decode(bytes.subarray(start, Math.min(end, start + maxLooked)));
    if (this.#open !== undefined && this.#goesOn(text, indent - start)) {
      return this.#hide(bytes, text, start, end, ended);
    }
    this.#open = openedBy(text);
    this.#emit(bytes, start, end, ended);
  }

  #goesOn(text: string, indent: number): boolean {
    const { column, quote, isItem } = this.#open!;
    if (isItem) return indent === column && /^\s*-\s+[^-\s]/.test(text);
    if (indent <= column) return false;
    return quote !== "" || (!/^\s*#/.test(text) && !keyLine.test(text));
  }

  /** The first line of a value becomes the mask; what follows is left out, up to the quote that ends it. */
  #hide(bytes: Uint8Array, text: string, start: number, end: number, ended: boolean): void {
    const open = this.#open!;
    this.#tally.add("assignment");
    this.#learner.learnPlaced(bytes.subarray(start, end));
    const lead = /^\s*(?:-\s+)*/.exec(text)![0];
    if (open.isItem) this.#open = undefined;
    const closes = open.quote !== "" && text.trimEnd().endsWith(open.quote);
    if (closes) this.#open = undefined;
    const shown = closes ? open.quote : open.hasValue && !lead.includes("-") ? undefined : "[redacted]";
    open.hasValue = true;
    if (shown === undefined) return;
    const line = encoder.encode(lead + shown);
    this.#emit(line, 0, line.length, ended);
  }
}

/** What a line leaves open: `password:`, `password: two`, `password: "two`. */
function openedBy(text: string): OpenValue | undefined {
  if (secretOption.test(text)) return { column: text.search(/\S/), quote: "", isItem: true, hasValue: false };
  const [, lead, , key, rest] = keyLine.exec(text) ?? [];
  if (key === undefined || !secretWord.test(key) || !inYaml.test(text.trimStart())) return undefined;
  const value = rest!.trim().replace(/^(?:[&!]\S*\s*)+/, "");
  if (/^[|>{[]/.test(value)) return undefined;
  const quote = /^["']/.exec(value)?.[0] ?? "";
  if (quote !== "" && value.length > 1 && value.endsWith(quote)) return undefined;
  return { column: lead!.length, quote: value.slice(1).includes(quote) ? "" : quote, hasValue: value !== "" };
}

const secretWord = new RegExp(`${secretName}$`, "i");
const secretOption = new RegExp(`^\\s*-\\s+["']?--?[\\w-]*${secretName}["']?\\s*$`, "i");
const latin1 = new TextDecoder("latin1");
const encoder = new TextEncoder();
const maxLooked = 4_096;
