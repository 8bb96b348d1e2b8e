/** SIGKILL at any moment, again and again: nothing that was confirmed is lost, and order is kept. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { recordText } from "../../src/pipeline/batch.ts";
import { openSpool } from "../../src/spool/spool.ts";
import { RunningProgram } from "../peers/process.ts";

const childPath = fileURLToPath(new URL("./spool_child.ts", import.meta.url));
const kills = 15;
/** Read and not yet committed, and written and not yet confirmed: what a kill may double. */
const maxDoublesPerKill = 64 + 4 * 50;

Deno.test("Spool loses nothing that it confirmed when its process is killed 15 times", async () => {
  const home = Deno.makeTempDirSync({ prefix: "spool-kill-" });
  const [folder, confirmed, delivered] = ["spool", "confirmed", "delivered"].map((name) => join(home, name));
  Deno.writeTextFileSync(confirmed!, "");
  Deno.writeTextFileSync(delivered!, "");
  for (let kill = 0; kill < kills; kill++) {
    await using child = RunningProgram.start(Deno.execPath(), [
      "run",
      "-A",
      childPath,
      folder!,
      confirmed!,
      delivered!,
    ]);
    const target = Deno.statSync(delivered!).size + 1 + Math.floor(Math.random() * 60_000);
    await child.waitUntil(() => Deno.statSync(delivered!).size >= target, `${target} bytes delivered`);
    await child.kill();
  }
  const numbers = numbersIn(delivered!);
  {
    await using spool = await openSpool({ folder: folder!, maxBytes: 256 * 1024, whenFull: "block", readers: ["a"] });
    spool.finish();
    const limits = { maxRecords: 1_000, maxBytes: 1 << 20 };
    for await (const batch of spool.reader("a").read(await spool.get("a"), limits, new AbortController().signal)) {
      if (batch.origin.source === "agent") {
        assert.match(recordText(batch, 0), /^gap: \d+ records? cut off by a crash/);
        continue;
      }
      for (let i = 0; i < batch.count; i++) numbers.push(parseInt(recordText(batch, i)));
      batch.release();
    }
  }
  const seen = new Set(numbers);
  const lost = numbersIn(confirmed!).filter((number) => !seen.has(number));
  assert.deepEqual(lost, []);
  assert.ok(numbers.length - seen.size <= kills * maxDoublesPerKill, `${numbers.length - seen.size} doubles`);
  const firsts = [...seen]; // in the order of their first arrival
  firsts.forEach((number, i) => assert.ok(i === 0 || number > firsts[i - 1]!, `${number} behind ${firsts[i - 1]}`));
  Deno.removeSync(home, { recursive: true });
});

function numbersIn(path: string): number[] {
  return Deno.readTextFileSync(path).split("\n").slice(0, -1).map(Number);
}
