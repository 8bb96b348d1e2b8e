import assert from "node:assert/strict";
import { Progress } from "./progress.ts";
import type { Bar } from "./terminal.ts";

Deno.test("Progress speaks lines that programs can read, one per event, whatever names hold", () => {
  const lines: string[] = [];
  const progress = new Progress("lines", (text) => lines.push(text));
  progress.begin("out.tar.gz");
  progress.total(2);
  progress.started("a/x");
  progress.ended("a/x");
  progress.ended("a/two\nlines");
  progress.quiet();
  progress.phase("packing");
  progress.end("INCOMPLETE", "out.tar.gz");
  assert.deepEqual(lines, [
    "BEGIN:out.tar.gz\n",
    "PROGRESS:0/2:\n",
    "PROGRESS:1/2:a/x\n",
    "PROGRESS:2/2:a/two lines\n",
    "PROGRESS:2/2:packing\n",
    "INCOMPLETE:out.tar.gz\n",
  ]);
});

Deno.test("Progress shows its bar with what runs and for how long, hides it for a question, and at the end", async () => {
  const seen: string[] = [];
  const bar: Bar = {
    show: (done, total, doing) => seen.push(`${done}/${total} ${doing}`),
    hide: () => seen.push("hidden"),
  };
  const progress = new Progress("bar", () => assert.fail("a bar is no line"), () => Promise.resolve(bar));
  progress.begin("out.tar.gz");
  progress.total(2);
  progress.started("a/x");
  await Promise.resolve(); // what went before the bar was there is in its first look
  progress.started("a/y");
  progress.ended("a/x");
  assert.match(seen[0]!, /^0\/2 [\d.]+m?s a\/x$/);
  assert.match(seen[1]!, /^0\/2 [\d.]+m?s a\/x, a\/y$/);
  assert.match(seen[2]!, /^1\/2 [\d.]+m?s a\/y$/);
  progress.quiet();
  progress.started("a/late");
  assert.deepEqual(seen.slice(3), ["hidden"], "nothing is written over the question");
  progress.phase("packing");
  assert.match(seen[4]!, /packing$/);
  progress.end("OK", "x");
  assert.equal(seen.at(-1), "hidden");
});

Deno.test("Progress speaks lines where the bar cannot be had", async () => {
  const lines: string[] = [];
  const progress = new Progress("bar", (text) => lines.push(text), () => Promise.reject(new Error("no memory")));
  await new Promise((resolve) => setTimeout(resolve));
  progress.total(1);
  progress.ended("a/x");
  progress.end("OK", "x");
  assert.deepEqual(lines, ["PROGRESS:0/1:\n", "PROGRESS:1/1:a/x\n", "OK:x\n"]);
});
