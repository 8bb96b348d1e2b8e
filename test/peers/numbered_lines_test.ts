import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import {
  countLines,
  judgeLines,
  LineCounter,
  newRun,
  numberedLine,
  perfect,
  writeNumberedLines,
} from "./numbered_lines.ts";

function withFolder(use: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("judgeLines() finds what writeNumberedLines() wrote perfect, over several files, behind any prefix", () => {
  withFolder((folder) => {
    const run = newRun();
    writeNumberedLines(join(folder, "1.log"), run, 0, 5_000);
    for (let i = 5_000; i < 5_010; i++) {
      Deno.writeTextFileSync(join(folder, "2.log"), `<13>1 host tag: ${numberedLine(run, i, 200)}`, { append: true });
    }
    strictEqual(Deno.statSync(join(folder, "1.log")).size, 5_000 * 200);
    strictEqual(countLines(folder), 5_010);
    deepStrictEqual(judgeLines(folder, run, 5_010), perfect(5_010));
  });
});

Deno.test("judgeLines() counts lost, repeated, overtaken, damaged and foreign lines apart", () => {
  withFolder((folder) => {
    const run = newRun();
    const line = (sequence: number): string => numberedLine(run, sequence, 100);
    const patched = line(5).slice(0, 60) + line(6).slice(60);
    // 3 never comes, 2 comes late, 1 comes three times, 5 is patched together of two, 7 is cut, 9 is beyond the run.
    const text = [0, 1, 1, 4, 2, 1].map(line).join("") + patched + "a notice\n" + line(6) + line(9) +
      line(7).slice(0, 50);
    Deno.writeTextFileSync(join(folder, "a"), text);
    deepStrictEqual(judgeLines(folder, run, 8, 100), {
      received: 7,
      lost: 3,
      duplicates: 2,
      outOfOrder: 1,
      damaged: 3,
      foreign: 1,
    });
  });
});

Deno.test("LineCounter.count() sees what is appended, new files, and a file that was cut", () => {
  withFolder((folder) => {
    const counter = new LineCounter(folder);
    strictEqual(counter.count(), 0);
    Deno.writeTextFileSync(join(folder, "a"), "1\n2\nto");
    strictEqual(counter.count(), 2);
    Deno.writeTextFileSync(join(folder, "a"), "rn\n", { append: true });
    Deno.writeTextFileSync(join(folder, "b"), "1\n");
    strictEqual(counter.count(), 4);
    Deno.truncateSync(join(folder, "a"), 2);
    strictEqual(counter.count(), 2);
  });
});
