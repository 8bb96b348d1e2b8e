/** `dump_collectors_worker.ts OUT`: runs every collector on this machine and writes what came of it, as JSON. */
import { collectors } from "../../src/dump/collectors/mod.ts";
import { readMachine } from "../../src/dump/machine.ts";
import { collectAll } from "../peers/collecting.ts";

const all = await collectAll(readMachine(), collectors(), { profile: "speed", deadlineMs: 60_000, keepBytes: 65_536 });
const summary = [...all].map(([id, { skipped, texts, notes, error }]) => ({
  id,
  skipped,
  paths: [...texts.keys()],
  notes,
  error: error === undefined ? undefined : String(error),
}));
Deno.writeTextFileSync(Deno.args[0]!, JSON.stringify(summary));
