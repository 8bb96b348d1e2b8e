/** Collectors in a folder that looks like a machine, or with programs that are scripts of a test. */
import { ok } from "node:assert/strict";
import { join } from "node:path";
import type { Collector } from "../../src/dump/collector.ts";
import { type CollectorOptions, collectors } from "../../src/dump/collectors/mod.ts";
import { type Machine, readMachine } from "../../src/dump/machine.ts";
import type { Collected } from "./collecting.ts";

/** Runs a test in a folder that goes afterwards. */
export async function inFolder(test: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "dump-collectors-" });
  try {
    await test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** The collector of that id. */
export function collectorOf(id: string, options: CollectorOptions = {}): Collector {
  const found = collectors(options).find((one) => one.id === id);
  ok(found, `there is a collector "${id}"`);
  return found;
}

/** A machine whose only programs are scripts of `folder`. */
export function machineWith(folder: string, scripts: Readonly<Record<string, string>>): Machine {
  for (const [name, body] of Object.entries(scripts)) {
    Deno.writeTextFileSync(join(folder, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }
  return { ...readMachine("/", { searchPath: folder }), kinds: new Set(["kubernetes"]) };
}

/** All that was gathered, as one text. */
export function allTexts(all: Iterable<Collected>): string {
  return [...all].flatMap(({ texts }) => [...texts].map(([path, text]) => `${path}\n${text}`)).join("\n");
}
