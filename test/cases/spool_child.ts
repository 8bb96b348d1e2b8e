/**
 * The program that spool_kill_test.ts kills: `spool_child.ts FOLDER CONFIRMED DELIVERED`. Appends numbered records to the
 * spool in FOLDER and reads them at the same time, for ever. Each number goes to the file CONFIRMED after its append, and
 * to DELIVERED before its commit; both survive the death of the process. Goes on behind the last confirmed number.
 */
import { batchOfLines, recordText } from "../../src/pipeline/batch.ts";
import { writeAllSync } from "../../src/system/atomic_file.ts";
import { openSpool, type Spool } from "../../src/spool/spool.ts";

const [folder, confirmedPath, deliveredPath] = Deno.args as [string, string, string];
const options = { maxBytes: 256 * 1024, segmentBytes: 16 * 1024, whenFull: "block", readers: ["a"] } as const;
const origin = { source: "s", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 5 } as const;
const encoder = new TextEncoder();

const spool = await openSpool({ folder, ...options });
await Promise.all([appendAll(spool), readAll(spool)]);

async function appendAll(spool: Spool): Promise<never> {
  const { file: confirmed, last } = openLedger(confirmedPath);
  let next = last + 1;
  const open: Promise<void>[] = [];
  for (;;) {
    const [first, end] = [next, next + 1 + (next * 7) % 50];
    next = end;
    const lines = Array.from({ length: end - first }, (_, i) => `${first + i} `.padEnd(120, "x"));
    open.push(
      spool.append(batchOfLines(lines, origin)).then(() =>
        writeAllSync(confirmed, encoder.encode(lines.map((line) => parseInt(line) + "\n").join("")))
      ),
    );
    if (open.length >= 4) await open.shift();
  }
}

async function readAll(spool: Spool): Promise<void> {
  const { file: delivered } = openLedger(deliveredPath);
  const limits = { maxRecords: 64, maxBytes: 1 << 20 };
  const never = new AbortController().signal;
  for await (const batch of spool.reader("a").read(await spool.get("a"), limits, never)) {
    if (batch.origin.source === "agent") {
      // A kill in the midst of a write: nobody had confirmed that one.
      if (!/^gap: \d+ records? cut off by a crash/.test(recordText(batch, 0))) throw new Error(recordText(batch, 0));
      spool.commit("a", batch.position);
      continue;
    }
    const lines = Array.from({ length: batch.count }, (_, i) => `${parseInt(recordText(batch, i))}\n`);
    writeAllSync(delivered, encoder.encode(lines.join("")));
    spool.commit("a", batch.position);
    batch.release();
  }
}

/** A file of numbers, without the half line that a kill in the midst of a write leaves; and its last number. */
function openLedger(path: string): { readonly file: Deno.FsFile; readonly last: number } {
  const text = Deno.readTextFileSync(path);
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  Deno.truncateSync(path, whole.length);
  return { file: Deno.openSync(path, { append: true }), last: Number(whole.trimEnd().split("\n").at(-1)) };
}
