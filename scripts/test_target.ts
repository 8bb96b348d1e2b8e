/**
 * `deno run -A scripts/test_target.ts [TARGET…] [--jobs N] [--no-install]`
 *
 * Builds the agent for another machine and runs black-box cases with that file under emulation. Needs root, once, to tell the
 * kernel how such files are started. The last line is `N passed, N failed, N skipped`.
 */
import { parseArgs } from "node:util";
import { targets } from "../targets/mod.ts";
import { emulatedTargets } from "./emulated.ts";
import { installPackages } from "./packages.ts";
import { endProgramsOnSignal, say } from "./program.ts";
import { testEmulated } from "./test.ts";
import { type Counts, summaryLine, sumOf } from "./test_report.ts";

if (import.meta.main) {
  endProgramsOnSignal();
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      jobs: { type: "string", default: `${Math.min(2, navigator.hardwareConcurrency)}` },
      "no-install": { type: "boolean", default: false },
    },
  });
  const unknown = positionals.find((name) => !(name in targets));
  if (unknown !== undefined) {
    say(`Cannot test "${unknown}": not a target\nTry: ${Object.keys(targets).join(", ")}`);
    Deno.exit(2);
  }
  if (!values["no-install"]) await installPackages();
  const wanted = positionals.length === 0 ? emulatedTargets() : positionals.map((name) => targets[name]!);
  const counts: Counts[] = [];
  for (const target of wanted) counts.push(await testEmulated(target, Number(values.jobs)));
  const all = sumOf(counts);
  say(summaryLine(all));
  Deno.exit(all.failed === 0 ? 0 : 1);
}
