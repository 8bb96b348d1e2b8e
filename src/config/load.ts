/** Reads a configuration file: every mistake at once, each with its line and key. */
import { dirname, resolve } from "node:path";
import { ConfigError, errorText } from "../pipeline/errors.ts";
import type { AgentConfig } from "./config.ts";
import { formatPath, type Path, type Problem, readYaml, type YamlText } from "./document.ts";
import type { Lookups } from "./fill.ts";
import { isGardenerText, readGardener } from "./gardener/read.ts";
import { unknownKeyText } from "./messages.ts";
import { parseDocument, type ReadDocument } from "./schema.ts";

/**
 * Reads the configuration in the file `path`.
 * @throws {ConfigError} with one line per mistake: `FILE:LINE: key: what is wrong, what is allowed`
 */
export function loadConfig(path: string): AgentConfig {
  return parseConfig(readSource(path), path, {
    hostname: () => Deno.hostname(),
    env: (name) => Deno.env.get(name),
    file: (name) => readValue(resolve(dirname(path), name)),
  });
}

/** Reads a configuration given as text; `name` stands for the file in messages. @throws {ConfigError} */
export function parseConfig(source: string, name: string, lookups: Lookups): AgentConfig {
  const yaml = readAll(source, name, lookups);
  const problems: Problem[] = [...yaml.problems];
  let document: ReadDocument | undefined;
  if (yaml.data === null) {
    problems.push({ line: 1, key: "", text: "is empty; see the commented sample (agent check --sample)" });
  } else if (yaml.data !== undefined) {
    const result = parseFilled(yaml);
    if (result.success) document = result.data;
    else {
      const unfilled = new Set(yaml.problems.map(({ key }) => key)); // what could not be filled in is wrong once, not twice
      const mistakes = result.error.issues.flatMap((issue) => problemsOf(issue, yaml));
      problems.push(...mistakes.filter(({ key }) => !unfilled.has(key)));
    }
  }
  if (problems.length > 0 || document === undefined) throw new ConfigError(linesOf(problems, name));
  return { ...document, hostname: document.hostname ?? lookups.hostname() };
}

type Issue = NonNullable<ReturnType<typeof parseDocument>["error"]>["issues"][number];

function readAll(source: string, name: string, lookups: Lookups): YamlText {
  try {
    return isGardenerText(source) ? readGardener(source, lookups, gardenerProblems) : readYaml(source, lookups);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError([`${name}:1: is nested too deeply`]); // the YAML library's stack has an end
  }
}

/** A number or boolean that comes from outside comes as text: where the schema wants one, the text is read as one. */
function parseFilled(yaml: YamlText): ReturnType<typeof parseDocument> {
  const first = parseDocument(yaml.data);
  if (first.success) return first;
  let changed = false;
  for (const { code, path, input, ...issue } of first.error.issues) {
    if (code !== "invalid_type" || typeof input !== "string" || !yaml.isFilled(path)) continue;
    const value = "expected" in issue ? plainValueOf(input, String(issue.expected)) : undefined;
    if (value !== undefined) changed = setAt(yaml.data, path, value) || changed;
  }
  return changed ? parseDocument(yaml.data) : first;
}

function plainValueOf(text: string, expected: string): number | boolean | undefined {
  if (expected === "boolean") return text === "true" ? true : text === "false" ? false : undefined;
  if (expected !== "number" && expected !== "int") return undefined;
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
}

function setAt(data: unknown, path: Path, value: unknown): boolean {
  let group = data as Record<PropertyKey, unknown>;
  for (const part of path.slice(0, -1)) group = group[part] as Record<PropertyKey, unknown>;
  const last = path.at(-1);
  if (last === undefined) return false;
  group[last] = value;
  return true;
}

function problemsOf(issue: Issue, yaml: YamlText): Problem[] {
  if (issue.code === "unrecognized_keys") {
    const known = issue.message.split(",");
    return issue.keys.map((key) => problemAt([...issue.path, key], unknownKeyText(key, known), yaml));
  }
  if (issue.code === "invalid_union" && issue.errors.length > 0) return unionProblems(issue, yaml);
  const text = yaml.isFilled(issue.path)
    ? "what is filled in here is not allowed; see the commented sample (agent check --sample)"
    : issue.message;
  return [problemAt(issue.path, text, yaml)];
}

/** Of the alternatives, the one that understood most: a group of keys with a mistake inside beats "is not text". */
function unionProblems(issue: Issue & { readonly code: "invalid_union" }, yaml: YamlText): Problem[] {
  const inner = issue.errors.find((issues) => issues.some(({ path }) => path.length > 0)) ??
    issue.errors.find((issues) => issues.some(({ code }) => code !== "invalid_type"));
  if (inner === undefined) return [problemAt(issue.path, issue.message, yaml)];
  return inner.flatMap((one) => problemsOf({ ...one, path: [...issue.path, ...one.path] } as Issue, yaml));
}

function problemAt(path: Path, text: string, yaml: YamlText): Problem {
  return { line: yaml.lineOf(path), key: formatPath(path), text };
}

function linesOf(problems: readonly Problem[], name: string): string[] {
  const lines = problems.toSorted((a, b) => a.line - b.line)
    .map(({ line, key, text }) =>
      `${name}:${line}: ${key === "" ? "" : `${key}: `}${text.replaceAll(/\s*\n\s*/g, " ")}`
    );
  return [...new Set(lines)];
}

/** Mistakes in a document of Gardener's, which begins at `base`. */
function gardenerProblems(error: { readonly issues: readonly Issue[] }, yaml: YamlText, base: Path): Problem[] {
  return error.issues.flatMap((issue) => problemsOf({ ...issue, path: [...base, ...issue.path] } as Issue, yaml));
}

function readSource(path: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readBounded(path);
  } catch (error) {
    throw new ConfigError([
      `Cannot read configuration "${path}": ${errorText(error)}\nTry: agent check --sample > agent.yaml`,
    ]);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigError([`${path}:1: is not text in UTF-8`]);
  }
}

/** The value in a file: without its last newline. The content is never part of a message. */
function readValue(path: string): string {
  const text = new TextDecoder().decode(readBounded(path)).replace(/\r?\n$/, "");
  if (text.includes("\0")) throw new Error("it is not text");
  return text;
}

function readBounded(path: string): Uint8Array {
  using file = Deno.openSync(path, { read: true });
  const info = file.statSync();
  if (info.isDirectory) throw new Error("it is a folder");
  const bytes = new Uint8Array(maxFileBytes + 1);
  let length = 0;
  for (let n: number | null = 0; n !== null && length <= maxFileBytes; length += n ?? 0) {
    n = file.readSync(bytes.subarray(length));
    if (n === null) break;
  }
  if (length > maxFileBytes) throw new Error(`it is longer than ${maxFileBytes} bytes`);
  return bytes.subarray(0, length);
}

const maxFileBytes = 1024 * 1024;
