/** A shipper that is made to be killed: `FOLDER STATE OUT`, files of FOLDER are appended to OUT by the pump. */
import { join } from "node:path";
import { packedBytes } from "../../src/pipeline/batch.ts";
import { pump } from "../../src/pipeline/pump.ts";
import type { Sink } from "../../src/pipeline/sink.ts";
import { openFileSource } from "../../src/sources/file/file_source.ts";
import { writeAllSync } from "../../src/system/atomic_file.ts";
import { CheckpointStore } from "../../src/system/checkpoint_store.ts";

const [folder, state, out] = Deno.args as [string, string, string];
const file = Deno.openSync(out, { append: true, create: true });
writeAllSync(file, new Uint8Array([10, 10])); // ends a record that the last kill tore, and says that a run begins

const sink: Sink = {
  id: "out",
  batchRecords: 128,
  send: (batch) => {
    writeAllSync(file, packedBytes(batch));
    return Promise.resolve([]);
  },
  reset: () => {},
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

const stop = new AbortController();
Deno.addSignalListener("SIGTERM", () => stop.abort());
await using checkpoints = new CheckpointStore(state);
await pump(
  {
    source: openFileSource({
      id: "files",
      include: [join(folder, "*.log")],
      start: "beginning",
      hostname: "host",
      report: () => {},
    }),
    sink,
    checkpoints,
    id: "files-out",
    maxFlightBytes: 64 * 1024,
    maxBatchBytes: 16 * 1024,
    backoff: { firstMs: 10, maxMs: 100 },
  },
  stop.signal,
  new AbortController().signal,
);
