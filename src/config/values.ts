/**
 * The kinds of values that keys take. Each maker gets what the key is about (for the JSON Schema and the sample) and,
 * where there is one, its default; keys without default and without `exactOptional()` are required.
 */
import { z } from "zod";
import { errorText } from "../pipeline/errors.ts";
import { parseDurationMs, parseSizeBytes } from "../formats/duration.ts";
import { choiceText, typeText } from "./messages.ts";

/** A value out of text that `parse` understands; its error becomes the message. */
export function parsedText<T>(parse: (text: string) => T, about: About): z.ZodType<T, string> {
  return z.string().transform((text, context): T => parsed(parse, text, context)).meta(described(about));
}

/** Any text but none. */
export function text(about: About): z.ZodType<string, string> {
  return z.string().min(1, { error: "is empty" }).meta(described(about));
}

/** A whole number between `min` and `max`. */
export function count(min: number, max: number, about: About): z.ZodType<number, number> {
  const range = `allowed: ${min} to ${max}`;
  const error = (issue: { readonly input?: unknown }): string | undefined =>
    typeof issue.input === "number" ? `${issue.input} is not allowed; ${range}` : undefined;
  return z.number({ error: (issue) => issue.input === undefined ? undefined : typeText("int", issue.input) })
    .int({ error }).min(min, { error }).max(max, { error }).meta(described(about));
}

/** true or false. */
export function flag(about: About): z.ZodType<boolean, boolean> {
  return z.boolean().meta(described(about));
}

/** One of some words. */
export function choice<const T extends readonly string[]>(words: T, about: About): z.ZodType<T[number], T[number]> {
  return z.enum(words, { error: (issue) => choiceText(issue.input, words) }).meta(described(about));
}

/** Milliseconds out of `90s`, within bounds. A bare number is refused with the unit that is missing. */
export function duration(minMs: number, maxMs: number, about: About): z.ZodType<number, string> {
  const range = `allowed: ${durationText(minMs)} to ${durationText(maxMs)}`;
  return z.string({ error: (issue) => bareNumber(issue.input, "ms, s, m, h, d", "s") })
    .transform((given, context): number => {
      const durationMs = parsed(parseDurationMs, given, context);
      if (durationMs < minMs || durationMs > maxMs) complain(context, given, `"${given}" is out of range; ${range}`);
      return durationMs;
    }).meta({ ...described(about), pattern: "^([0-9]+([.][0-9]+)?(ms|s|m|h|d))+$" });
}

/** Bytes out of `64MiB`, within bounds. A bare number is refused with the unit that is missing. */
export function size(minBytes: number, maxBytes: number, about: About): z.ZodType<number, string> {
  const range = `allowed: ${sizeText(minBytes)} to ${sizeText(maxBytes)}`;
  return z.string({ error: (issue) => bareNumber(issue.input, "B, KiB, MiB, GiB", "MiB") })
    .transform((given, context): number => {
      const sizeBytes = parsed(parseSizeBytes, given, context);
      if (sizeBytes < minBytes || sizeBytes > maxBytes) {
        complain(context, given, `"${given}" is out of range; ${range}`);
      }
      return sizeBytes;
    }).meta({ ...described(about), pattern: "^[0-9]+([.][0-9]+)?(B|KB|MB|GB|KiB|MiB|GiB)$" });
}

/** A list with at least one entry. */
export function list<T, I>(entry: z.ZodType<T, I>, about: About): z.ZodType<T[], I[]> {
  return z.array(entry).min(1).meta(described(about));
}

/** A number or a text, both given to `parse`. */
export function numberOrText<T>(
  parse: (value: number | string) => T,
  allowed: string,
  about: About,
): z.ZodType<T, number | string> {
  return z.union([z.int(), z.string()], { error: (issue) => typeText(allowed, issue.input) })
    .transform((value, context): T => parsed(parse, value, context)).meta(described(about));
}

/** A text, or a list of at least one, given to `parse`. */
export function textOrTexts<T>(
  parse: (value: string | readonly string[]) => T,
  allowed: string,
  about: About,
): z.ZodType<T, string | string[]> {
  return z.union([z.string(), z.array(z.string()).min(1)], { error: (issue) => typeText(allowed, issue.input) })
    .transform((value, context): T => parsed(parse, value, context)).meta(described(about));
}

/** What a key is about, in a sentence; `example` is for keys without a default. */
export interface About {
  readonly about: string;
  readonly example?: unknown;
}

/** The metadata of a schema, as JSON Schema names it. */
export function described({ about, example }: About): { description: string; examples?: unknown[] } {
  return example === undefined ? { description: about } : { description: about, examples: [example] };
}

/** A duration in one unit, such that it can be read back exactly. */
export function durationText(durationMs: number): string {
  const units: readonly (readonly [string, number])[] = [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], [
    "s",
    1_000,
  ]];
  const fitting = units.find(([, unitMs]) => durationMs >= unitMs && durationMs % unitMs === 0);
  if (durationMs === 0) return "0s";
  return fitting === undefined ? `${durationMs}ms` : `${durationMs / fitting[1]}${fitting[0]}`;
}

/** A size in one unit, such that it can be read back exactly. */
export function sizeText(sizeBytes: number): string {
  const units: readonly (readonly [string, number])[] = [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]];
  const fitting = units.find(([, unitBytes]) => sizeBytes >= unitBytes && sizeBytes % unitBytes === 0);
  return fitting === undefined ? `${sizeBytes}B` : `${sizeBytes / fitting[1]}${fitting[0]}`;
}

/** `values` without those that are undefined, as exact optional properties want it. */
export function given<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** The part of zod's context that takes a mistake. */
export interface IssueContext {
  // deno-lint-ignore no-explicit-any -- zod's own type of raw issues; ours has all that it asks for
  readonly issues: any[];
}

/** Adds a mistake at `path` below the value that is being read. */
export function complain(
  context: IssueContext,
  input: unknown,
  message: string,
  path: readonly PropertyKey[] = [],
): void {
  context.issues.push({ code: "custom", input, message, path: [...path] });
}

function parsed<I, T>(parse: (value: I) => T, value: I, context: IssueContext): T {
  try {
    return parse(value);
  } catch (error) {
    complain(context, value, errorText(error).replace(/\nTry: /, "; "));
    return z.NEVER;
  }
}

function bareNumber(input: unknown, units: string, unit: string): string | undefined {
  if (typeof input !== "number") return undefined;
  return `${input} has no unit; allowed: a number with its unit (${units}), for example ${input}${unit}`;
}
