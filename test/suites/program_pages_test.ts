/** Pages of the program, given up by the process that runs this. */
import { ok } from "node:assert/strict";
import { releaseProgramPages } from "../../src/system/program_pages.ts";

Deno.test("releaseProgramPages() takes pages of the program off the resident set, and the program goes on", () => {
  const before = residentKiB();
  releaseProgramPages();
  const after = residentKiB();
  ok(after < before / 2, `${before} KiB before, ${after} KiB after`);
});

/** Resident KiB of the program's file. */
function residentKiB(): number {
  let [sum, own] = [0, false];
  for (const line of Deno.readTextFileSync("/proc/self/smaps").split("\n")) {
    if (/^[0-9a-f]+-/.test(line)) own = line.endsWith(` ${Deno.execPath()}`);
    else if (own && line.startsWith("Rss:")) sum += Number(/\d+/.exec(line)![0]);
  }
  return sum;
}
