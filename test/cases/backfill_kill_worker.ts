/** `backfill_kill_worker.ts DIR STATE OUT`: ships a log directory to a file, until it is killed or told to stop. */
import { recordText } from "../../src/pipeline/batch.ts";
import { pump } from "../../src/pipeline/pump.ts";
import type { Sink } from "../../src/pipeline/sink.ts";
import { openLogDirectorySource } from "../../src/sources/backfill/source.ts";
import { writeAllSync } from "../../src/system/atomic_file.ts";
import { CheckpointStore } from "../../src/system/checkpoint_store.ts";

const [path, state, out] = Deno.args as [string, string, string];
const file = Deno.openSync(out, { append: true, create: true });
const sink: Sink = {
  id: "out",
  batchRecords: 20,
  send: async (batch) => {
    let text = "";
    for (let i = 0; i < batch.count; i++) text += recordText(batch, i) + "\n";
    writeAllSync(file, new TextEncoder().encode(text));
    await new Promise((resolve) => setTimeout(resolve, 1));
    return [];
  },
  reset: () => {},
  [Symbol.asyncDispose]: () => Promise.resolve(),
};
const stop = new AbortController();
Deno.addSignalListener("SIGTERM", () => stop.abort());
const source = openLogDirectorySource({
  id: "log",
  path,
  hostname: "router1",
  program: "console",
  priority: 13,
  report: ({ text }) => Deno.stderr.writeSync(new TextEncoder().encode(text + "\n")),
});
{
  await using checkpoints = new CheckpointStore(state);
  const backoff = { firstMs: 10, maxMs: 100 };
  const limits = { maxFlightBytes: 16 * 1024, maxBatchBytes: 4 * 1024 };
  await pump({ source, sink, checkpoints, id: "log@out", backoff, ...limits }, stop.signal, stop.signal);
}
Deno.exit(0);
