/**
 * `deno task test [--filter TEXT] [--jobs N] [--no-install] [--count-failed N] [FILE…]`
 *
 * Unit tests in one process without permissions, then every file under `test/` in a process of its own with a deadline,
 * then cases with the packed file of the other machine, emulated (`scripts/emulated.ts`).
 * The last line is `N passed, N failed, N skipped`; the exit code is 1 when something failed. Nothing is tried again: kills
 * come at random moments here, so that what fails once in a hundred runs may be a line lost once in a hundred kills.
 */
import { relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Target } from "../targets/mod.ts";
import { emulatedCases, emulatedTargets, Emulation, openEmulation } from "./emulated.ts";
import { projectRoot } from "./graph.ts";
import { installPackages } from "./packages.ts";
import {
  endProgramsOnSignal,
  filesBelow,
  inParallel,
  type Outcome,
  runProgram,
  say,
  withTemporaryFolder,
} from "./program.ts";
import { type Counts, countsOf, ignoredTests, summaryLine, sumOf, withoutPassed } from "./test_report.ts";

/** Some test files that run in one process, and how. */
interface Job {
  readonly label: string;
  readonly files: readonly string[];
  readonly flags: readonly string[];
  /** For the tests and all that they start. */
  readonly env?: Readonly<Record<string, string>>;
  /** In place of the one on the command line. */
  readonly filter?: string;
}

/** Everything that is asked for, longest first where that is known. */
function jobsFor(wanted: readonly string[]): readonly Job[] {
  const chosen = wanted.map((path) => relative(projectRoot, resolve(path)));
  const isChosen = (path: string): boolean =>
    chosen.length === 0 || chosen.some((one) => path === one || path.startsWith(`${one}/`));
  const testsIn = (folder: string): string[] =>
    filesBelow(`${projectRoot}/${folder}`, (path) => path.endsWith("_test.ts"))
      .map((path) => path.slice(projectRoot.length + 1)).filter(isChosen);
  const unit = ["src", "scripts"].flatMap(testsIn);
  const own = testsIn("test").sort((a, b) => rankOf(a) - rankOf(b)).map((path) => ({
    label: path,
    files: [path],
    flags: ["-A"],
  }));
  return unit.length === 0 ? own : [{ label: "unit tests", files: unit, flags: ["--no-prompt"] }, ...own];
}

/** Place among the files that take long; behind them all for others, which keep their order. */
function rankOf(path: string): number {
  const rank = longFiles.indexOf(path);
  return rank < 0 ? longFiles.length : rank;
}

async function runJob(job: Job, filter: string | undefined, skipsFile: string): Promise<Counts> {
  const chosen = job.filter ?? filter;
  const filters = chosen === undefined ? [] : ["--filter", chosen];
  const words = ["test", "--no-check", ...job.flags, ...filters, ...job.files];
  const outcome = await runProgram(Deno.execPath(), words, {
    cwd: projectRoot,
    env: { ...job.env, AGENT_TEST_SKIPS: skipsFile },
    deadlineMs: fileDeadlineMs,
  });
  const counts = countsOf(outcome.output, outcome.code);
  report(job, outcome, counts, readSkips(skipsFile));
  return counts;
}

function report(job: Job, outcome: Outcome, counts: Counts, reasons: readonly string[]): void {
  const { passed, failed, skipped } = counts;
  if (passed + failed + skipped === 0) return; // all filtered out
  const seconds = (outcome.durationMs / 1_000).toFixed(1);
  const more = skipped === 0 ? "" : `, ${skipped} skipped`;
  say(`${failed === 0 ? "ok    " : "FAILED"} ${job.label}: ${passed} passed, ${failed} failed${more} (${seconds} s)`);
  for (const name of ignoredTests(outcome.output)) say(`  skipped: ${name}`);
  for (const reason of reasons) say(`  ${reason}`);
  if (outcome.leftovers) say("  left processes behind");
  if (outcome.timedOut) say(`  ended by its deadline of ${fileDeadlineMs / 1_000} s`);
  if (failed > 0) say(withoutPassed(outcome.output).split("\n").map((line) => `  ${line}`).join("\n"));
}

/** Why tests of a file were skipped: what `test/peers/skip.ts` wrote down. */
function readSkips(path: string): readonly string[] {
  try {
    return [...new Set(Deno.readTextFileSync(path).trimEnd().split("\n"))];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function testAll(files: readonly string[], filter: string | undefined, width: number): Promise<Counts> {
  return withTemporaryFolder("agent-tests-", async (folder) => {
    return await runJobs(jobsFor(files), filter, width, folder);
  });
}

async function runJobs(
  jobs: readonly Job[],
  filter: string | undefined,
  width: number,
  folder: string,
): Promise<Counts> {
  const numbered = jobs.map((job, i) => ({ job, skipsFile: `${folder}/${i}` }));
  return sumOf(await inParallel(numbered, width, ({ job, skipsFile }) => runJob(job, filter, skipsFile)));
}

/** Runs the black-box cases with the packed file of another machine; says why where that cannot be done here. */
export function testEmulated(target: Target, width: number): Promise<Counts> {
  return withTemporaryFolder("agent-emulated-", async (folder) => {
    using emulation = await openEmulation(target, folder, projectRoot);
    if (emulation instanceof Emulation) {
      const jobs = emulatedCases.map(({ file, filter }): Job => {
        return { label: `${target.name}: ${file}`, files: [file], flags: ["-A"], env: emulation.env, filter };
      });
      return await runJobs(jobs, undefined, width, folder);
    }
    say(`skipped: black-box cases of ${target.name}: ${emulation.reason}`);
    return { passed: 0, failed: 0, skipped: 1 };
  });
}

/** Says that a file hangs; the longest takes three minutes here, and machines may be five times as slow. */
const fileDeadlineMs = 1_200_000;

/** Files of more than some 15 s, the longest first, so that at the end no processor waits for the last of them. */
const longFiles: readonly string[] = [
  "test/vm/router_test.ts",
  "test/suites/file_source_test.ts",
  ...[
    "file_storm",
    "file_logrotate",
    "dump_command",
    "relp_crash",
    "ship_crash",
    "ship_script",
    "ship_faults",
    "packing",
    "small_machine",
    "build",
    "nats",
    "cert_kill",
    "cert_enroll",
    "status_page",
    "relp_tls_modes",
    "init_systems",
    "dump_nodes",
    "collect_faults",
    "cert_watch",
    "ship_sources",
    "metrics",
    "cert_in_ship",
    "cert_ship",
    "file_kill",
    "sink_down",
    "backfill",
    "tap",
  ].map((name) => `test/cases/${name}_test.ts`),
];

if (import.meta.main) {
  endProgramsOnSignal();
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      filter: { type: "string" },
      jobs: { type: "string", default: `${Math.min(4, navigator.hardwareConcurrency)}` },
      "no-install": { type: "boolean", default: false },
      "count-failed": { type: "string", default: "0" },
    },
  });
  if (!values["no-install"]) await installPackages();
  const isFull = positionals.length === 0 && values.filter === undefined;
  const width = Number(values.jobs);
  const ofAll = [await testAll(positionals, values.filter, width)];
  for (const target of isFull ? emulatedTargets() : []) ofAll.push(await testEmulated(target, width));
  const counts = sumOf(ofAll);
  // Checks that failed before this run are part of the verdict, so that the last line never says that all is well.
  const all = sumOf([counts, { passed: 0, failed: Number(values["count-failed"]), skipped: 0 }]);
  if (counts.passed + counts.failed + counts.skipped === 0) say("no test matches");
  say(summaryLine(all));
  Deno.exit(all.failed === 0 && counts.passed + counts.failed > 0 ? 0 : 1);
}
