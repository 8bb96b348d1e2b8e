/** The sample and the schema: complete, and true. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { parse } from "yaml";
import { parseTo } from "../../src/config/quick.ts";
import { sampleText } from "../../src/config/sample.ts";
import { jsonSchema } from "../../src/config/schema.ts";
import { sinkTypes, sourceTypes } from "../../src/config/types.ts";
import type { FileSinkConfig } from "../../src/config/config.ts";
import { read } from "../peers/parsed_config.ts";

Deno.test("sampleText() is a configuration, as it is and with everything switched on", () => {
  strictEqual(read(sampleText()).sinks.loghost?.type, "relp");
  const everything = read(switchedOn());
  deepStrictEqual(
    Object.values(everything.sources).map(({ type }) => type).sort(),
    [...sourceTypes].sort(),
  );
  deepStrictEqual(Object.values(everything.sinks).map(({ type }) => type).sort(), [...sinkTypes].sort());
});

Deno.test("sampleText() shows every key of the schema", () => {
  const shown = keysOf(parse(switchedOn()), "");
  const missing = [...schemaKeys(jsonSchema() as Schema, "")].filter((key) => !shown.has(key));
  deepStrictEqual(missing, []);
  ok(shown.size > 80);
});

Deno.test("sampleText() shows the defaults that hold", () => {
  const { hostname: _1, metadata: _2, certificate: _3, status: _4, rules: _5, redact: _6, tests: _7, ...defaults } =
    read(
      sampleText(),
    );
  const everything = read(switchedOn());
  deepStrictEqual([everything.state, everything.spool], [defaults.state, defaults.spool]);
  const { slices, ...file } = everything.sinks.file as FileSinkConfig;
  deepStrictEqual(file, parseTo("file:/var/log/agent"));
  const { keepForMs: _8, keepBytes: _9, ...shown } = slices!;
  deepStrictEqual(shown, (parseTo(`file:/var/log/agent/${shown.path}`) as FileSinkConfig).slices);
  deepStrictEqual(everything.sinks.stdout, parseTo("stdout:"));
});

Deno.test("jsonSchema() describes every key", () => {
  const silent = [...schemaKeys(jsonSchema() as Schema, "", (schema) => schema.description === undefined)];
  deepStrictEqual(silent, []);
});

function switchedOn(): string {
  return sampleText().replaceAll(/^(\s*)#(?=\S)/gm, "$1");
}

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: { readonly oneOf?: readonly Schema[] };
}

/** `sinks.relp.target`: parts by type, entries of lists by `[]`. */
function* schemaKeys(schema: Schema, path: string, only: (schema: Schema) => boolean = () => true): Generator<string> {
  for (const [key, value] of Object.entries(schema.properties ?? {})) {
    if (only(value)) yield `${path}.${key}`;
    yield* schemaKeys(value, `${path}.${key}`, only);
    yield* schemaKeys(value.items ?? {}, `${path}.${key}[]`, only);
    for (const option of value.additionalProperties?.oneOf ?? []) {
      const type = (option.properties!.type as { const?: string }).const;
      yield* schemaKeys(option, `${path}.${key}.${type}`, only);
    }
  }
}

function keysOf(value: unknown, path: string): Set<string> {
  if (Array.isArray(value)) return new Set(value.flatMap((entry) => [...keysOf(entry, `${path}[]`)]));
  if (typeof value !== "object" || value === null) return new Set();
  return new Set(
    Object.entries(value).flatMap(([key, inner]) => {
      const typed = typeof inner === "object" && inner !== null && "type" in inner ? String(inner.type) : key;
      return [`${path}.${typed}`, ...keysOf(inner, `${path}.${typed}`)];
    }),
  );
}
