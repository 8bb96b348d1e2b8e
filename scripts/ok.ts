/** `deno task ok`: everything that can be told in a minute without a peer. One line per check, all output of what failed. */
import { docComplaints } from "./doc_lint.ts";
import { layerBreaches, projectRoot, sourceFiles } from "./graph.ts";
import { endProgramsOnSignal, filesBelow, inParallel, type Outcome, runProgram, say } from "./program.ts";
import { withoutPassed } from "./test_report.ts";

/** The name of a check and what it does: lines of complaint, none when all is well. */
interface Check {
  readonly name: string;
  run(): Promise<readonly string[]>;
}

const checks: readonly Check[] = [
  // The slowest first, so that the others fill the time beside it.
  { name: "types", run: () => deno("check", "--quiet", "main.ts", "src", "scripts", "targets", "test") },
  { name: "unit tests", run: unitTests },
  { name: "lint", run: () => deno("lint") },
  { name: "format", run: () => deno("fmt", "--check") },
  { name: "docs", run: docs },
  { name: "layers", run: () => layerBreaches(projectRoot) },
];

/** Without any permission: a unit test that needs one belongs under test/. */
async function unitTests(): Promise<readonly string[]> {
  const files = ["src", "scripts"].flatMap((folder) =>
    filesBelow(`${projectRoot}/${folder}`, (path) => path.endsWith("_test.ts"))
  );
  if (files.length === 0) return ["no unit tests found"];
  const complaints = await deno("test", "--no-check", "--no-prompt", "--parallel", ...files);
  return complaints.length === 0 ? [] : withoutPassed(complaints.join("\n")).split("\n");
}

async function docs(): Promise<readonly string[]> {
  const outcome = await run(["doc", "--lint", ...sourceFiles(projectRoot)]);
  const complaints = docComplaints(outcome.output, {
    lineOf: (path, line) => Deno.readTextFileSync(path).split("\n")[line - 1] ?? "",
    declares: (path, name) =>
      new RegExp(`^(interface|type|(abstract )?class) ${name}\\b`, "m").test(Deno.readTextFileSync(path)),
  });
  // A failure for another reason (a syntax error) has no complaints of its own.
  const understood = outcome.code === 0 || outcome.output.includes("documentation lint error");
  return understood ? complaints : outcome.output.split("\n");
}

async function deno(...words: readonly string[]): Promise<readonly string[]> {
  const outcome = await run(words);
  if (outcome.code === 0) return [];
  return [...outcome.output.trimEnd().split("\n"), ...(outcome.timedOut ? ["(ended by the deadline)"] : [])];
}

function run(words: readonly string[]): Promise<Outcome> {
  return runProgram(Deno.execPath(), words, { cwd: projectRoot, deadlineMs: deadlineMs });
}

async function perform(check: Check): Promise<boolean> {
  const beganMs = performance.now();
  const complaints = await check.run().catch((
    error: unknown,
  ) => [error instanceof Error ? error.message : String(error)]);
  const seconds = ((performance.now() - beganMs) / 1_000).toFixed(1);
  say(`${complaints.length === 0 ? "ok    " : "FAILED"} ${check.name.padEnd(12)} ${seconds.padStart(5)} s`);
  if (complaints.length > 0) say(complaints.map((line) => `  ${line}`).join("\n"));
  return complaints.length === 0;
}

const deadlineMs = 900_000;

if (import.meta.main) {
  endProgramsOnSignal();
  const results = await inParallel(checks, navigator.hardwareConcurrency, perform);
  Deno.exit(results.every((fine) => fine) ? 0 : 1);
}
