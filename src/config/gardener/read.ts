/**
 * Gardener's documents in place of a configuration: a `RsyslogRelpConfig`, or the Shoot that holds one, and beside it the
 * ConfigMap with its audit rules. The result is read on as if somebody had written our own form.
 */
import type { z } from "zod";
import { type Path, type Problem, readYaml, type YamlText } from "../document.ts";
import type { Lookups } from "../fill.ts";
import { issueText } from "../messages.ts";
import { auditdSchema, type RelpConfig, relpConfigSchema } from "./schema.ts";
import { sinkName, translateRelpConfig } from "./translate.ts";

/** Turns what a schema complains of into problems with lines. */
export type ProblemsOf = (error: z.ZodError, yaml: YamlText, base: Path) => readonly Problem[];

/** Whether a text is one of Gardener's, and not a configuration of our own form. */
export function isGardenerText(source: string): boolean {
  return /^kind:\s*["']?(?:Shoot|RsyslogRelpConfig)["']?\s*(?:#.*)?$/m.test(source) ||
    /^\{.*"RsyslogRelpConfig"/s.test(source);
}

/** Reads the documents in `source`; `data` is of our own form, lines are those of `source`. */
export function readGardener(source: string, lookups: Lookups, problemsOf: ProblemsOf): YamlText {
  const documents = splitDocuments(source).map((text) => readYaml(text, lookups));
  const problems = documents.flatMap((one) => one.problems);
  const unreadable = documents.find(({ data }) => data === undefined);
  if (unreadable !== undefined) return { ...unreadable, problems };
  const found = documents.flatMap((yaml) => {
    const base = configPath(yaml.data);
    return base === undefined ? [] : [{ yaml, base }];
  });
  const [first, second] = found;
  if (first === undefined) return refused(documents[0]!, [...problems, noConfig(documents[0]!)]);
  if (second !== undefined) {
    const text = "a second configuration of the extension; a node has one";
    return refused(first.yaml, [...problems, { line: second.yaml.lineOf([]), key: "kind", text }]);
  }
  const { yaml, base } = first;
  const read = relpConfigSchema.safeParse(valueAt(yaml.data, base), { error: issueText, reportInput: true });
  if (!read.success) return refused(yaml, [...problems, ...problemsOf(read.error, yaml, base)]);
  const map = auditRulesIn(documents, read.data, yaml, lookups, problemsOf);
  const surroundings = {
    metadata: metadataOf(yaml.data),
    references: String(read.data.agent?.references ?? lookups.env("AGENT_REFERENCES") ?? defaultReferences),
    auditRules: map.rules,
  };
  return {
    data: translateRelpConfig(read.data, surroundings),
    problems: [...problems, ...map.problems],
    lineOf: (path) => yaml.lineOf([...base, ...sourcePath(path)]),
    isFilled: (path) => yaml.isFilled([...base, ...sourcePath(path)]),
  };
}

/** Rules in an `Auditd` document. @throws an Error with what is wrong */
export function readAuditd(source: string): string {
  const yaml = readYaml(source, { hostname: () => "", env: () => undefined, file: () => "" });
  const read = auditdSchema.safeParse(yaml.data, { error: issueText });
  if (yaml.problems[0] !== undefined) throw new Error(`line ${yaml.problems[0].line}: ${yaml.problems[0].text}`);
  if (read.success) return read.data.auditRules;
  throw new Error(read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
}

/**
 * The documents, each on its own lines. A line `...` ends one and begins a bare one; in manuals it stands for what was left
 * out, and what follows goes on: it is read as a comment.
 */
function splitDocuments(source: string): readonly string[] {
  const chunks: string[][] = [[]];
  source.split(/\r?\n/).forEach((line, i) => {
    if (/^---(?:\s|$)/.test(line)) chunks.push(Array(i + 1).fill(""));
    else chunks.at(-1)!.push(/^\.\.\.\s*$/.test(line) ? "# ..." : line);
  });
  const texts = chunks.map((lines) => lines.join("\n"));
  return texts.filter((text) => !/^(?:\s*(?:#.*)?\n?)*$/.test(text));
}

/** Where in a document the extension's configuration stands. */
function configPath(data: unknown): Path | undefined {
  const kind = valueAt(data, ["kind"]);
  if (kind === "RsyslogRelpConfig") return [];
  if (kind !== "Shoot") return undefined;
  const extensions = valueAt(data, ["spec", "extensions"]);
  if (!Array.isArray(extensions)) return undefined;
  const at = extensions.findIndex((one) => valueAt(one, ["type"]) === "shoot-rsyslog-relp");
  return at < 0 ? undefined : ["spec", "extensions", at, "providerConfig"];
}

function metadataOf(data: unknown): Record<string, string> {
  if (valueAt(data, ["kind"]) !== "Shoot") return {};
  const [namespace, name, uid] = ["namespace", "name", "uid"].map((key) => valueAt(data, ["metadata", key]));
  return {
    ...(typeof namespace === "string" ? { project: namespace.replace(/^garden-/, "") } : {}),
    ...(typeof name === "string" ? { shoot: name } : {}),
    ...(typeof uid === "string" ? { uid } : {}),
  };
}

/** Rules of the ConfigMap that the configuration refers to, if it stands in the same file. */
function auditRulesIn(
  documents: readonly YamlText[],
  { auditConfig }: RelpConfig,
  shoot: YamlText,
  lookups: Lookups,
  problemsOf: ProblemsOf,
): { rules: string | undefined; problems: readonly Problem[] } {
  const name = auditConfig?.configMapReferenceName;
  if (name === undefined) return { rules: undefined, problems: [] };
  const resources = valueAt(shoot.data, ["spec", "resources"]);
  const resource = Array.isArray(resources) ? resources.find((one) => valueAt(one, ["name"]) === name) : undefined;
  const target = valueAt(resource, ["resourceRef", "name"]) ?? name;
  const map = documents.find(({ data }) =>
    valueAt(data, ["kind"]) === "ConfigMap" && valueAt(data, ["metadata", "name"]) === target
  );
  if (map === undefined) return { rules: undefined, problems: [] };
  const text = valueAt(map.data, ["data", "auditd"]);
  const line = map.lineOf(["data", "auditd"]);
  if (typeof text !== "string") {
    return { rules: undefined, problems: [{ line, key: "data.auditd", text: "missing; allowed: an Auditd document" }] };
  }
  const inner = readYaml(text, lookups);
  const read = auditdSchema.safeParse(inner.data, { error: issueText, reportInput: true });
  const complaints = read.success ? inner.problems : [...inner.problems, ...problemsOf(read.error, inner, [])];
  const problems = complaints.map((one) => ({ line: line + one.line, key: `data.auditd: ${one.key}`, text: one.text }));
  return { rules: read.success ? read.data.auditRules : undefined, problems };
}

/** Where a value of our own form was written. */
function sourcePath([first, second, ...rest]: Path): Path {
  if (first === "rules") return second === undefined ? ["loggingRules"] : ["loggingRules", second];
  if (first === "sinks") return second === sinkName ? rest.slice(0, 1) : [];
  return second === undefined ? ["agent", first!] : ["agent", first!, second, ...rest];
}

function noConfig(yaml: YamlText): Problem {
  const text = "holds no RsyslogRelpConfig; a Shoot has it in spec.extensions, with type shoot-rsyslog-relp";
  return { line: yaml.lineOf(["kind"]), key: "kind", text };
}

function refused(yaml: YamlText, problems: readonly Problem[]): YamlText {
  return { ...yaml, data: undefined, problems };
}

function valueAt(data: unknown, path: Path): unknown {
  let value = data;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

/** A folder per secret and ConfigMap, as a node would mount them. */
const defaultReferences = "/etc/agent/references";
