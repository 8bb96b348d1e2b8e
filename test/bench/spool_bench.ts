/**
 * How fast the spool takes and gives back: `deno run -A test/bench/spool_bench.ts [RECORDS] [GROUP] [FOLDER]`.
 * Append counts until everything is confirmed, that is fsynced; replay reads, commits and counts bytes.
 */
import { join } from "node:path";
import type { Batch } from "../../src/pipeline/batch.ts";
import { batchOfLines, recordBytes } from "../../src/pipeline/batch.ts";
import { openSpool, type Spool } from "../../src/spool/spool.ts";
import { say } from "./table.ts";

/** Appends and replays RECORDS (default 1,000,000) records of 200 bytes in groups of GROUP (default 512). */
export async function run(words: readonly string[]): Promise<number> {
  const records = Number(words[0] ?? 1_000_000);
  const group = Number(words[1] ?? 512);
  const folder = join(words[2] ?? Deno.makeTempDirSync({ prefix: "spool-bench-" }), "spool");
  const origin = { source: "bench", host: "host", program: "bench", priority: 14, form: "plain", readAtMs: 0 } as const;
  const batch = batchOfLines(Array.from({ length: group }, (_, i) => `${i} `.padEnd(200, "x")), origin);
  try {
    await using spool = await openSpool({ folder, maxBytes: 2 ** 30, whenFull: "block", readers: ["bench"] });
    const appendMs = await timed(() => appendAll(spool, batch, records));
    spool.finish();
    let bytes = 0;
    const replayMs = await timed(async () => bytes = await readAll(spool));
    report("append", records, bytes, appendMs);
    report("replay", records, bytes, replayMs);
  } finally {
    if (words[2] === undefined) Deno.removeSync(join(folder, ".."), { recursive: true });
  }
  return 0;
}

/** Keeps eight appends open, as a pump does. */
async function appendAll(spool: Spool, batch: Batch, records: number): Promise<void> {
  const open: Promise<unknown>[] = [];
  for (let done = 0; done < records; done += batch.count) {
    open.push(spool.append(batch));
    if (open.length >= 8) await open.shift();
  }
  await Promise.all(open);
}

async function readAll(spool: Spool): Promise<number> {
  let bytes = 0;
  const limits = { maxRecords: 256, maxBytes: 256 * 1024 };
  for await (const batch of spool.reader("bench").read(undefined, limits, new AbortController().signal)) {
    bytes += recordBytes(batch);
    spool.commit("bench", batch.position);
    batch.release();
  }
  return bytes;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const sinceMs = performance.now();
  await work();
  return performance.now() - sinceMs;
}

function report(what: string, records: number, bytes: number, tookMs: number): void {
  const perSecond = Math.round(records / tookMs * 1_000);
  say(`spool ${what}: ${perSecond} records/s, ${(bytes / tookMs / 1_000).toFixed(0)} MB/s\n`);
}

if (import.meta.main) Deno.exit(await run(Deno.args));
