/** What is wrong with a value and what is allowed, in words. The values themselves are repeated only where they cannot be secrets. */
import type { z } from "zod";
import { nearest } from "./nearest.ts";

/** A mistake as zod tells it, before it has a text. */
export type RawIssue = Parameters<z.core.$ZodErrorMap>[0];

/**
 * The text of a mistake, without its key. For unknown keys it is the list of known ones, comma-separated, because one
 * issue stands for several keys; {@linkcode unknownKeyText} makes the texts.
 */
export function issueText(issue: RawIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return typeText(issue.expected, issue.input);
    case "invalid_value":
      return choiceText(issue.input, issue.values.map(String));
    case "too_small":
      return "is empty; allowed: at least one entry, or leave the key out";
    case "unrecognized_keys":
      return Object.keys((issue.inst as unknown as z.ZodObject).shape).join(",");
    case "invalid_key":
      return nameText;
    default:
      return "is not allowed here; see the commented sample (agent check --sample)";
  }
}

/** What is wrong with a word that is none of `allowed`. */
export function choiceText(input: unknown, allowed: readonly string[]): string {
  if (input === undefined) return `missing; allowed: ${allowed.join(", ")}`;
  if (typeof input !== "string") return `is ${kindOf(input)}; allowed: ${allowed.join(", ")}`;
  const near = nearest(input, allowed);
  const guess = near === undefined ? "" : `did you mean "${near}"? `;
  return `"${input}" is not allowed; ${guess}allowed: ${allowed.join(", ")}`;
}

/** What is wrong with `key`, where only `known` are. */
export function unknownKeyText(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  return `unknown key; ${near === undefined ? "" : `did you mean "${near}"? `}allowed: ${known.join(", ")}`;
}

/** What is wrong with a value of another kind than `expected` (a word of zod's). */
export function typeText(expected: string, input: unknown): string {
  const allowed = expectations[expected] ?? expected;
  if (input === undefined) return `missing; allowed: ${allowed}`;
  if (input === null) return `is empty; allowed: ${allowed}, or leave the key out`;
  const scalar = typeof input === "number" || typeof input === "boolean";
  const hint = expected === "string" && scalar ? " (write it in quotes)" : "";
  return `is ${kindOf(input)}; allowed: ${allowed}${hint}`;
}

/** Names of sources and sinks: they become names of positions and labels of metrics. */
export const namePattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;
const nameText = "is not a name; allowed: letters, digits, _ . -, 64 at the most";

const expectations: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list, for example [a, b]",
  object: "keys with values",
  record: "names with values",
};

function kindOf(input: unknown): string {
  if (input === null) return "empty";
  if (Array.isArray(input)) return "a list";
  switch (typeof input) {
    case "string":
      return "text";
    case "number":
      return Number.isInteger(input) ? "a number" : "a fraction";
    case "boolean":
      return String(input);
    default:
      return "a group of keys";
  }
}
