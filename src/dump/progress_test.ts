import assert from "node:assert/strict";
import { Progress } from "./progress.ts";

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

Deno.test("Progress keeps its bar to one line of the terminal, and clears it before a question and at the end", () => {
  let written = "";
  const progress = new Progress("bar", (text) => written += text);
  progress.total(4);
  for (let i = 0; i < 60; i++) progress.started(`group/collector-${i}`);
  progress.ended("group/collector-0");
  for (const line of written.split("\r\x1b[K")) assert.ok(line.length <= 100, line);
  assert.match(written, /\[#####-{15}\] 1\/4 /);
  progress.quiet();
  assert.ok(written.endsWith("\r\x1b[K"));
  const before = written;
  progress.started("group/late");
  assert.equal(written, before, "nothing is written over the question");
  progress.phase("packing");
  progress.end("OK", "x");
  assert.ok(written.endsWith("\r\x1b[K"));
});
