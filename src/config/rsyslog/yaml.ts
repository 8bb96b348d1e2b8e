/** Writes a translated configuration as the file that a person would have written. */
import { stringify } from "yaml";
import type { Part } from "./translation.ts";

/** YAML of it. A `$` in a text is written twice: one alone would be filled in. */
export function formatYaml(document: Part): string {
  return stringify(escaped(document), { lineWidth: 0 });
}

function escaped(value: unknown): unknown {
  if (typeof value === "string") return value.replaceAll("$", "$$$$");
  if (Array.isArray(value)) return value.map(escaped);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, escaped(one)]));
}
