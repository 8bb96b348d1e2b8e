/**
 * The configuration in use as YAML for people, without secrets: values of keys that name secrets, what a URL carries
 * beside its place, what the presets of redaction find in any text, and the words that redaction must hide. Paths stay.
 */
import type { AgentConfig } from "../config/config.ts";
import { batchOfLines, type Origin, recordText } from "../pipeline/batch.ts";
import { compileRules } from "../rules/rule_set.ts";

/** The text; it ends with a newline. */
export function formatConfiguration({ tests: _, ...config }: AgentConfig): string {
  return block(withoutSecrets(config, ""), "").replace(/^\n/, "");
}

/** Plain data with its secrets blotted out; `key` is the name of the key that holds `value`. */
function withoutSecrets(value: unknown, key: string): unknown {
  if (typeof value === "string") return plainText(value, key);
  if (typeof value === "number" && secretKey.test(key)) return hidden;
  if (Array.isArray(value)) return value.map((one) => withoutSecrets(one, key));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(
    entries.map(([name, one]) => [name, hides(key, name) ? masked(one) : withoutSecrets(one, name)]),
  );
}

/** Headers of requests, and words that must not be seen anywhere. */
function hides(group: string, name: string): boolean {
  return group === "headers" || name === "words";
}

function masked(value: unknown): unknown {
  return Array.isArray(value) ? value.map(() => hidden) : hidden;
}

function plainText(text: string, key: string): string {
  if (secretKey.test(key) && !/(File|Path|Folder|Dir)$/.test(key)) return hidden;
  if (/BEGIN[ A-Z0-9]*PRIVATE KEY/.test(text)) return hidden;
  const url = text.replaceAll(/([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, `$1${hidden}@`)
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/[^\s?#]+)[?#][^\s]*/gi, `$1?${hidden}`);
  const lines = url.split("\n");
  const batch = (finder ??= compileRules({ redact: { presets: ["secrets"] } })).redact(batchOfLines(lines, origin));
  // A text that cannot be looked through is not shown.
  return batch.count === lines.length ? lines.map((_, i) => recordText(batch, i)).join("\n") : hidden;
}

/** Data as YAML in block style; every text that could be read as something else is in double quotes, as JSON has it. */
function block(value: unknown, indent: string): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return " []";
    return value.map((one) => `\n${indent}-${block(one, `${indent}  `)}`).join("");
  }
  if (typeof value !== "object" || value === null) return ` ${scalar(value)}`;
  const entries = Object.entries(value);
  if (entries.length === 0) return " {}";
  return entries.map(([key, one]) => `\n${indent}${scalar(key)}:${block(one, `${indent}  `)}`).join("") +
    (indent === "" ? "\n" : "");
}

function scalar(value: unknown): string {
  if (typeof value !== "string") return String(value);
  const plain = /^[A-Za-z_/][A-Za-z0-9_./-]*$/.test(value) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(value);
  return plain ? value : JSON.stringify(value);
}

/** Ends of names whose values are secrets; `key` of a pair of files is a path and is not among them. */
const secretKey =
  /(pass(word|wd|phrase)?|secret|token|tokens|credentials?|authorization|apiKey|accessKey|privateKey|cookie|pin|psk)$/i;
const hidden = "[redacted]";
const origin: Origin = { source: "", host: "", program: "", priority: 13, form: "plain", readAtMs: 0 };
let finder: ReturnType<typeof compileRules> | undefined;
