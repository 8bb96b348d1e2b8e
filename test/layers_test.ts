/** The arrows of src/README.md: over the real module graph, and over planted breaches that must be found. */
import { deepEqual, match, ok } from "node:assert/strict";
import { layerBreaches, projectRoot } from "../scripts/graph.ts";
import { breachesOfGraph, breachesOfText, edgesOf } from "../scripts/layers.ts";

Deno.test("layerBreaches() finds none in the project", async () => {
  deepEqual(await layerBreaches(projectRoot), []);
});

const planted: readonly (readonly [from: string, to: string, reason: RegExp])[] = [
  ["src/formats/relp.ts", "src/pipeline/pump.ts", /codecs are pure/],
  ["src/formats/relp.ts", "node:net", /touch nothing outside/],
  ["src/rules/match.ts", "npm:zod@4.6.7", /touch nothing outside/],
  ["src/sources/tap/source.ts", "src/sinks/relp/sink.ts", /never import each other/],
  ["src/sinks/relp/sink.ts", "src/spool/spool.ts", /never import each other/],
  ["src/system/log.ts", "src/config/config.ts", /know none/],
  ["src/config/config.ts", "src/commands/ship.ts", /names parts/],
  ["src/commands/ship.ts", "src/cli.ts", /wire everything below/],
  ["src/sinks/relp/sink.ts", "npm:dax@0.49.0", /hot path runs no programs/],
  ["src/helpers/x.ts", "src/formats/relp.ts", /no place in the table/],
  ["src/sinks/http.ts", "https://example.org/x.ts", /stands on itself/],
  ["main.ts", "src/engine/engine.ts", /is the process/],
];

for (const [from, to, reason] of planted) {
  Deno.test(`breachesOfGraph() refuses ${from} → ${to}`, () => {
    const breaches = breachesOfGraph([{ from, to, typeOnly: false, dynamic: true }]);
    deepEqual(breaches.length, 1);
    match(breaches[0]!, reason);
  });
}

Deno.test("breachesOfGraph() follows static imports of a light command, not dynamic ones", () => {
  const chain = (dynamic: boolean): readonly string[] =>
    breachesOfGraph([
      { from: "src/commands/tap.ts", to: "src/config/config.ts", typeOnly: false, dynamic },
      { from: "src/config/config.ts", to: "npm:yaml@2.9.1", typeOnly: false, dynamic: false },
    ]);
  match(chain(false)[0]!, /tap\.ts loads npm:yaml@2\.9\.1/);
  deepEqual(chain(true), []);
});

Deno.test("breachesOfGraph() lets types cross where code may not", () => {
  const edge = { from: "src/formats/a.ts", to: "src/pipeline/batch.ts", dynamic: false };
  deepEqual(breachesOfGraph([{ ...edge, typeOnly: true }]), []);
  deepEqual(breachesOfGraph([{ ...edge, typeOnly: false }]).length, 1);
});

Deno.test("breachesOfText() finds what only main.ts may do, and not in comments or strings", () => {
  match(breachesOfText("src/commands/ship.ts", "Deno.exit(1)")[0]!, /only main\.ts ends/);
  match(breachesOfText("src/system/log.ts", 'Deno.addSignalListener("SIGHUP", f)')[0]!, /only main\.ts listens/);
  match(breachesOfText("src/formats/a.ts", "const x = Deno.pid;")[0]!, /touch nothing outside/);
  deepEqual(breachesOfText("main.ts", "Deno.exit(1)"), []);
  deepEqual(breachesOfText("src/formats/a.ts", '/** Deno.exit */ const a = "Deno.pid"; // fetch('), []);
});

Deno.test("edgesOf() tells types, code and import() apart", () => {
  const dependencies = [
    { code: { specifier: "file:///p/src/b.ts" } },
    { type: { specifier: "file:///p/src/c.ts" } },
    { code: { specifier: "npm:zod@4" }, isDynamic: true },
  ];
  deepEqual(edgesOf({ modules: [{ specifier: "file:///p/src/a.ts", dependencies }] }, "file:///p/"), [
    { from: "src/a.ts", to: "src/b.ts", typeOnly: false, dynamic: false },
    { from: "src/a.ts", to: "src/c.ts", typeOnly: true, dynamic: false },
    { from: "src/a.ts", to: "npm:zod@4", typeOnly: false, dynamic: true },
  ]);
});

Deno.test("src/README.md names files that exist", () => {
  const text = Deno.readTextFileSync(`${projectRoot}/src/README.md`);
  const named = [...text.matchAll(/`((?:[a-z0-9_]+\/)+[a-z0-9_]+\.ts)`/g)].map(([, path]) => path!);
  ok(named.length > 40, `${named.length} names`);
  const isThere = (path: string): boolean =>
    ["src", "src/dump", "."].some((at) => exists(`${projectRoot}/${at}/${path}`));
  deepEqual(named.filter((path) => !isThere(path)), []);
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
