/**
 * Redaction: what must not be seen is replaced before a record is written or sent. One pass of one automaton tells
 * whether a record holds anything at all; only then it is looked for where. It fails closed: a record that
 * cannot be redacted is dropped and counted.
 */
import type { Batch } from "../pipeline/batch.ts";
import type { RuleProblem } from "./match.ts";
import { compileAny, Pattern } from "./pattern/pattern.ts";
import { Pseudonyms } from "./pseudonym.ts";
import { RecordWriter } from "./record_writer.ts";
import { type Accept, presetPatterns } from "./redact_presets.ts";
import type { RedactSpec } from "./spec.ts";

/** What was done so far. */
export interface RedactCounters {
  /** Records in which something was replaced. */
  redacted: number;
  /** Records dropped because redaction failed. */
  failed: number;
}

interface Replacement {
  readonly pattern: { findAll(bytes: Uint8Array, start: number, end: number, spans: number[]): boolean };
  readonly accept?: Accept;
  replace(bytes: Uint8Array, start: number, end: number): Uint8Array;
}

/** Replaces what the presets and patterns of a configuration find. */
export class Redactor {
  readonly counters: RedactCounters = { redacted: 0, failed: 0 };
  readonly #replacements: readonly Replacement[];
  readonly #any: { test(bytes: Uint8Array, start: number, end: number): boolean };

  /** @param any says whether one of `replacements` applies; it may say yes too often, never too seldom */
  constructor(
    replacements: readonly Replacement[],
    any: { test(bytes: Uint8Array, start: number, end: number): boolean },
  ) {
    this.#replacements = replacements;
    this.#any = any;
  }

  /** The batch itself when nothing is to be hidden in it, else one in its place. Never throws. */
  apply(batch: Batch): Batch {
    for (let i = 0; i < batch.count; i++) if (this.#mayHold(batch, i)) return this.#rewrite(batch, i);
    return batch;
  }

  /** Copies the batch; `first` is the first record with something to hide. */
  #rewrite(batch: Batch, first: number): Batch {
    const { bounds } = batch;
    const writer = new RecordWriter(bounds[2 * batch.count - 1]! - bounds[0]!, batch.count);
    for (let i = 0; i < batch.count; i++) {
      if (i < first || (i > first && !this.#mayHold(batch, i))) {
        writer.append(batch.bytes, bounds[2 * i], bounds[2 * i + 1]);
      } else if (!this.#tryWrite(batch, i, writer)) {
        this.counters.failed++;
        writer.abandonRecord();
        continue;
      }
      writer.endRecord(i);
    }
    return writer.finish(batch);
  }

  /** A test that fails counts as a yes: then the replacement fails, too, and the record is dropped. */
  #mayHold(batch: Batch, index: number): boolean {
    try {
      return this.#any.test(batch.bytes, batch.bounds[2 * index]!, batch.bounds[2 * index + 1]!);
    } catch {
      return true;
    }
  }

  #tryWrite(batch: Batch, index: number, writer: RecordWriter): boolean {
    try {
      if (this.#write(batch.bytes, batch.bounds[2 * index]!, batch.bounds[2 * index + 1]!, writer)) {
        this.counters.redacted++;
      }
      return true;
    } catch {
      return false;
    }
  }

  /** Writes one record; returns whether something was replaced. Where finds overlap, their union is replaced. */
  #write(bytes: Uint8Array, start: number, end: number, writer: RecordWriter): boolean {
    const finds = this.#find(bytes, start, end);
    let at = start;
    for (let i = 0; i < finds.length;) {
      const find = finds[i]!;
      let stop = find.end;
      for (i++; i < finds.length && finds[i]!.start < stop; i++) stop = Math.max(stop, finds[i]!.end);
      writer.append(bytes, at, find.start);
      writer.append(find.replacement.replace(bytes, find.start, find.end));
      at = stop;
    }
    writer.append(bytes, at, end);
    return finds.length > 0;
  }

  #find(bytes: Uint8Array, start: number, end: number): Find[] {
    const finds: Find[] = [];
    const spans: number[] = [];
    for (const replacement of this.#replacements) {
      spans.length = 0;
      const complete = replacement.pattern.findAll(bytes, start, end, spans);
      for (let i = 0; i < spans.length; i += 2) {
        const find = { start: spans[i]!, end: spans[i + 1]!, replacement };
        if (isMask(bytes, find.start, find.end)) continue;
        const certain = !complete && i === spans.length - 2;
        if (certain || (replacement.accept?.(bytes, find.start, find.end, start, end) ?? true)) finds.push(find);
      }
    }
    return finds.sort((a, b) => a.start - b.start || b.end - a.end);
  }
}

interface Find {
  readonly start: number;
  readonly end: number;
  readonly replacement: Replacement;
}

/**
 * Compiles `redact:`; undefined when it asks for nothing.
 * @param key secret of the pseudonyms; without one, addresses become `[ip]` and `[mac]`
 * @param report gets every mistake, by its keys within the document
 */
export function compileRedactor(
  spec: RedactSpec | undefined,
  key: Uint8Array | undefined,
  report: (problem: RuleProblem) => void,
): Redactor | undefined {
  const pseudonyms = key === undefined ? undefined : new Pseudonyms(key);
  const sources: string[] = [];
  const replacements: Replacement[] = [];
  for (const preset of new Set(spec?.presets)) {
    for (const { regex, pseudonym, accept } of presetPatterns[preset]) {
      sources.push(regex);
      const replace = pseudonym === undefined ? hidden : pseudonymOf(pseudonym, pseudonyms);
      replacements.push({ pattern: new Pattern(regex), replace, ...(accept === undefined ? {} : { accept }) });
    }
  }
  for (const [index, entry] of (spec?.patterns ?? []).entries()) {
    const { regex, replacement } = typeof entry === "string" ? { regex: entry, replacement: undefined } : entry;
    try {
      const text = replacement === undefined ? undefined : encoder.encode(replacement);
      replacements.push({ pattern: new Pattern(regex), replace: text === undefined ? hidden : () => text });
      sources.push(regex);
    } catch (error) {
      report({ path: ["redact", "patterns", index], text: (error as Error).message });
    }
  }
  return replacements.length === 0 ? undefined : new Redactor(replacements, anyOf(sources));
}

/** One automaton for all; one for each where together they are too large. */
function anyOf(sources: readonly string[]): { test(bytes: Uint8Array, start: number, end: number): boolean } {
  try {
    return compileAny(sources);
  } catch {
    const each = sources.map((source) => compileAny([source]));
    return { test: (bytes, start, end) => each.some((one) => one.test(bytes, start, end)) };
  }
}

/** Whether all of a find is a mask from before: then there is nothing left to hide. */
export function isMask(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > mask.length) return false;
  for (let i = 0; i < mask.length; i++) if (bytes[start + i] !== mask[i]) return false;
  return true;
}

/** The mask: `[redacted]`; with quotes where a bare value of JSON stood, so that the record stays JSON. */
export function hidden(bytes: Uint8Array, start: number): Uint8Array {
  let at = start - 1;
  while (at >= 0 && bytes[at] === 32) at--;
  return bytes[at] === 58 && bytes[at - 1] === 34 ? quotedMask : mask;
}

function pseudonymOf(kind: "ip" | "mac", pseudonyms: Pseudonyms | undefined): Replacement["replace"] {
  const fixed = encoder.encode(`[${kind}]`);
  if (pseudonyms === undefined) return () => fixed;
  return (bytes, start, end) => pseudonyms.of(kind, decoder.decode(bytes.subarray(start, end)));
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const mask = encoder.encode("[redacted]");
const quotedMask = encoder.encode('"[redacted]"');
