/**
 * The commented sample, made of the JSON Schema: every key, what it is about, and its default or an example. What begins
 * with `#` and no space can be switched on by taking the `#` away; all of it switched on is a configuration, too.
 */
import { jsonSchema } from "./schema.ts";

/** The sample as YAML. */
export function sampleText(): string {
  const lines = [
    "# Configuration of agent. Durations and sizes carry their unit (90s, 5m, 64MiB).",
    "# ${hostname}, ${env:NAME} and ${file:PATH} are filled in; $$ is a $. A line that begins with # and no space shows",
    "# a default or an example: take the # away to switch it on.",
    "",
    ...group(jsonSchema() as Schema, 0, true, true),
  ];
  return lines.join("\n") + "\n";
}

/** The parts of JSON Schema that ours is made of. */
interface Schema {
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly const?: unknown;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly oneOf?: readonly Schema[];
}

function group(schema: Schema, depth: number, active: boolean, spaced = false): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, value]) => {
    const on = active && (schema.required?.includes(key) ?? false);
    return [...entry(key, value, depth, on), ...(spaced ? [""] : [])];
  });
}

function entry(key: string, schema: Schema, depth: number, active: boolean): string[] {
  const head = line(depth, active, `${key}:`);
  const options = typeof schema.additionalProperties === "object" ? schema.additionalProperties.oneOf : undefined;
  if (options !== undefined) {
    return [
      ...comment(schema, depth),
      head,
      ...options.flatMap((option, i) => part(option, depth + 1, active && i === 0)),
    ];
  }
  if (schema.properties !== undefined) {
    return [...comment(schema, depth), head, ...group(schema, depth + 1, active)];
  }
  if (schema.items?.properties !== undefined) {
    return [...comment(schema, depth), head, ...listItem(schema.items, depth + 1)];
  }
  return [...comment(schema, depth), line(depth, active, `${key}: ${flow(valueOf(key, schema))}`)];
}

/** One type of source or sink, under the name that the examples call it by. */
function part(schema: Schema, depth: number, active: boolean): string[] {
  const type = String(schema.properties!.type!.const);
  const target = "target" in schema.properties!;
  const name = type === "file" && "include" in schema.properties!
    ? "messages"
    : type === "relp" && target
    ? "loghost"
    : type;
  return [line(depth, active, `${name}:`), ...group(schema, depth + 1, active)];
}

function listItem(schema: Schema, depth: number): string[] {
  const lines = group(schema, depth + 1, false);
  const first = lines.findIndex((text) => text.trimStart().startsWith("#") && !text.trimStart().startsWith("# "));
  return lines.map((text, i) => i === first ? text.replace(/^(\s*) {2}#/, "$1#- ") : text);
}

function comment(schema: Schema, depth: number): string[] {
  const words = schema.enum ?? schema.items?.enum;
  const text = [schema.description, words === undefined ? undefined : `(${words.join(" | ")})`];
  return [`${"  ".repeat(depth)}# ${text.filter((part) => part !== undefined).join(" ")}`];
}

function line(depth: number, active: boolean, text: string): string {
  return `${"  ".repeat(depth)}${active ? "" : "#"}${text}`;
}

function valueOf(key: string, schema: Schema): unknown {
  const value = schema.const ?? schema.default ?? schema.examples?.[0];
  if (value === undefined) {
    throw new TypeError(`Cannot show key "${key}" in the sample: it has no default and no example`);
  }
  return value;
}

/** A value on one line; texts in quotes wherever YAML could take them for something else. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    return `{${Object.entries(value).map(([key, inner]) => `${flow(key)}: ${flow(inner)}`).join(", ")}}`;
  }
  if (typeof value !== "string") return String(value);
  const plain = /^[A-Za-z/][A-Za-z0-9_./-]*$/.test(value) && !/^(true|false|null|yes|no|on|off)$/i.test(value);
  return plain || /^\d+(\.\d+)?[A-Za-z]+$/.test(value) ? value : JSON.stringify(value);
}
