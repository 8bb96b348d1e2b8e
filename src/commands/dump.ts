/** `agent dump`: the evidence of a machine in one file, every time. */
import { dirname, join } from "node:path";
import { setPriority } from "node:os";
import project from "../../deno.json" with { type: "json" };
import type { AgentConfig } from "../config/config.ts";
import { analysers } from "../dump/analysers/mod.ts";
import type { Collector } from "../dump/collector.ts";
import { collectors } from "../dump/collectors/mod.ts";
import { k3sScriptCollectors } from "../dump/collectors/k3s.ts";
import { type DumpOutcome, DumpStopped, makeDump } from "../dump/dump.ts";
import { type Machine, readMachine } from "../dump/machine.ts";
import { openOutput } from "../dump/output.ts";
import { Progress, type ProgressForm } from "../dump/progress.ts";
import { headLines } from "../dump/report_text.ts";
import { chooseCollectors, parseTimeouts } from "../dump/selection.ts";
import { formatSize } from "../formats/duration.ts";
import { errorText, UsageError } from "../pipeline/errors.ts";
import { writeFileAtomic } from "../system/atomic_file.ts";
import { openLog } from "../system/log.ts";
import type { CommandContext } from "./context.ts";
import { findConfig, type FoundConfig } from "./dump_config.ts";
import { destinationsOf, ownStateOf } from "./dump_own_state.ts";
import { confirmUnredacted, openDumpRedactor } from "./dump_redactor.ts";
import { planSealing, type Sealing, sendFile } from "./dump_sealing.ts";
import { estimateBytes, openWorkFile } from "./dump_space.ts";
import { deadlineOf, dumpCommand, type DumpWords, jobsOf, maxBytesOf, momentOf, profileOf } from "./dump_words.ts";
import { oneOf, parseOptions } from "./options.ts";

/** Exit codes: 0 complete, 3 written but incomplete, 1 no file, 2 usage, 130 and 143 stopped; 75 not uploaded yet. */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const parsed = parseOptions<DumpWords>(dumpCommand(), words, context);
  if (parsed === undefined) return 0;
  const { options, args: [action, ...files] } = parsed;
  if (options.schema === true) {
    const { reportSchema } = await import("../dump/report_schema.ts");
    context.print(JSON.stringify(reportSchema(), null, 2) + "\n");
    return 0;
  }
  if (action === undefined) return await dump(options, context);
  if (action === "upload" && files.length === 1) return await upload(files[0]!, options, context);
  if (action === "inspect" && files.length === 1) {
    return await (await import("./open.ts")).run([files[0]!, "--report"], context);
  }
  throw new UsageError(`"${[action, ...files].join(" ")}" is nothing that agent dump does\nTry: agent dump --help`);
}

async function upload(path: string, words: DumpWords, context: CommandContext): Promise<number> {
  const target = words.upload === true || words.upload === undefined
    ? findConfig(words.config).config?.dump?.upload
    : words.upload;
  if (target === undefined) {
    throw new UsageError("where to?\nTry: agent dump upload FILE --upload https://host/folder/");
  }
  if (!Deno.stdin.isTerminal() && words.yes !== true) {
    throw new UsageError("nobody can be asked whether to upload: there is no terminal\nTry: --yes");
  }
  await sendFile(path, target, words, openLog("dump"), context.signal);
  context.print(`uploaded ${path}\n`);
  return 0;
}

async function dump(words: DumpWords, context: CommandContext): Promise<number> {
  const found = findConfig(words.config);
  const machine = readMachine(words.root);
  const profile = profileOf(words, found.config?.dump);
  if (words.list === true || words.dryRun === true) return await list(words, found, machine, context);
  const log = openLog("dump");
  if (found.problem !== undefined) {
    log.warning(`the configuration cannot be used, its section dump neither: ${found.problem}`);
  }
  const plan = planDump(words, found, machine);
  const sealing = await planSealing(words, found.config?.dump, log);
  const chosen = sealing.scriptLayout ? k3sScriptCollectors() : plan.chosen;
  const redactor = openDumpRedactor(words, found, machine, (text) => log.warning(text));
  await confirmUnredacted(words);
  const out = toStdout(words);
  const progress = new Progress(progressForm(words, out), (text) => out ? toStderr(text) : context.print(text));
  using _progress = progress;
  try {
    const nodeId = nodeIdOf(redactor.redactText(machine.hostname));
    const id = crypto.randomUUID().slice(0, 8);
    const base = sealing.base ?? baseName(new Date(), nodeId, id, words.redact);
    const path = out ? "-" : outputPath(words, found, base + sealing.suffix, words.redact);
    progress.begin(path);
    const need = {
      output: path,
      workBytes: estimateBytes(machine, chosen.some(({ id }) => /^(log|journal|audit)/.test(id)), 64 * 1024 ** 2),
      ...(plan.maxBytes === undefined ? {} : { maxBytes: plan.maxBytes }),
    };
    using work = openWorkFile(need);
    using output = openOutput(path, words.force === true);
    beNice();
    const outcome = await makeDump({
      ...plan,
      program: `agent ${project.version}`,
      id,
      base,
      nodeId: sealing.scriptLayout ? "." : nodeId,
      collectors: chosen,
      analysers,
      machine,
      profile,
      redactor,
      redacted: words.redact,
      work,
      output,
      progress,
      keepPartial: words.keepPartial === true,
      chooseSeal: () => sealing.choose(),
      signal: context.signal,
    });
    if (words.map !== undefined) writeMap(words.map, redactor.mapping());
    return await finish({ words, outcome, path, sealing, progress, context });
  } catch (error) {
    progress.end("FAIL", error instanceof DumpStopped ? "stopped, nothing is left" : errorText(error).split("\n")[0]!);
    if (!(error instanceof DumpStopped)) throw error;
    toStderr("agent: stopped; nothing is left of the dump (--keep-partial would have written what was there)\n");
    return stopCode(context.signal);
  }
}

interface Finish {
  readonly words: DumpWords;
  readonly outcome: DumpOutcome;
  readonly path: string;
  readonly sealing: Sealing;
  readonly progress: Progress;
  readonly context: CommandContext;
}

async function finish({ words, outcome, path, sealing, progress, context }: Finish): Promise<number> {
  const { report, sizeBytes } = outcome;
  progress.end(report.complete ? "OK" : "INCOMPLETE", path);
  const lines = [
    ...headLines(report),
    path === "-" ? `${formatSize(sizeBytes)} written to stdout` : `${path} (${formatSize(sizeBytes)})`,
    ...(sealing.encrypted ? [] : [
      "NOT ENCRYPTED: whoever gets this file can read it. Give it a recipient: --recipient age1…, or dump.recipients",
    ]),
  ];
  const text = lines.join("\n") + "\n";
  const human = progressForm(words, path === "-") !== "lines" && path !== "-";
  if (human) context.print(text);
  else toStderr(text);
  const notice = sealing.notice();
  if (notice !== undefined) toStderr(notice);
  if (context.signal.aborted) return stopCode(context.signal);
  if (path !== "-") await sealing.send(path, context.signal);
  return report.complete ? 0 : 3;
}

interface Plan {
  readonly all: readonly Collector[];
  readonly chosen: readonly Collector[];
  readonly deadlineMs: number;
  readonly jobs: number;
  readonly timeouts: ReturnType<typeof parseTimeouts>;
  readonly maxBytes?: number;
  readonly since?: Date;
  readonly until?: Date;
}

/** Everything that the words can be wrong about, before anything is done. */
function planDump(words: DumpWords, found: FoundConfig, machine: Machine): Plan {
  const config = found.config?.dump;
  const profile = profileOf(words, config);
  const all = tableOf(words, found, machine);
  const maxBytes = maxBytesOf(words, config);
  const since = momentOf("--since", words.since);
  const until = momentOf("--until", words.until);
  if (words.nodes !== undefined && words.nodes === "") throw new UsageError("--nodes: none are named");
  if (toStdout(words) && words.upload !== undefined) {
    throw new UsageError("--upload needs a file\nTry: without --output -");
  }
  return {
    all,
    chosen: chooseCollectors(all, { profile, only: words.only ?? [], skip: words.skip ?? [] }),
    deadlineMs: deadlineOf(words, config, profile),
    jobs: jobsOf(words, config),
    timeouts: parseTimeouts(words.timeout ?? [], all),
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  };
}

function tableOf(words: DumpWords, { path, config }: FoundConfig, machine: Machine): readonly Collector[] {
  const wanted = config?.dump;
  const state = (config as AgentConfig | undefined)?.state ?? machine.locate("/var/lib/agent");
  try {
    return collectors({
      ownState: ownStateOf(path, config, state),
      destinations: destinationsOf(config),
      processes: [...wanted?.processes ?? [], ...words.process ?? []],
      include: [...wanted?.files ?? [], ...words.include ?? []],
      metrics: [...wanted?.metrics ?? [], ...words.metrics ?? []],
      commands: [
        ...Object.entries(wanted?.commands ?? {}).map(([name, command]) => ({ name, command: command as [string] })),
        ...(words.command ?? []).map(askedCommand),
      ],
    });
  } catch (error) {
    throw new UsageError(errorText(error), { cause: error });
  }
}

function askedCommand(text: string): { name: string; command: [string, ...string[]] } {
  const [, name, line] = /^([A-Za-z0-9._-]{1,60})=\s*(\S.*)$/.exec(text) ?? [];
  if (name === undefined) throw new UsageError(`--command: "${text}" has no name\nTry: --command 'disks=lsblk --fs'`);
  return { name, command: line!.trim().split(/\s+/) as [string, ...string[]] };
}

async function list(words: DumpWords, found: FoundConfig, machine: Machine, context: CommandContext): Promise<number> {
  const { all, chosen } = planDump(words, found, machine);
  for (const one of words.dryRun === true ? chosen : all) {
    const skipped = await one.skips(machine);
    const state = skipped === undefined ? "" : ` — not here: ${skipped}`;
    if (words.dryRun === true) {
      context.print(
        `${one.id}${state}\n${skipped === undefined ? one.plan(machine).map((line) => `  ${line}\n`).join("") : ""}`,
      );
    } else {
      const profiles = one.profiles.join(",");
      context.print(`${chosen.includes(one) ? "*" : " "} ${one.id.padEnd(26)} ${one.summary} [${profiles}]${state}\n`);
    }
  }
  return 0;
}

function outputPath(words: DumpWords, found: FoundConfig, name: string, redacted: boolean): string {
  const output = words.output ?? found.config?.dump?.folder;
  if (output === undefined) return name;
  try {
    if (Deno.statSync(output).isDirectory) return join(output, name);
  } catch {
    // A new file.
  }
  if (words.output === undefined) return join(output, name);
  return redacted || output.includes("UNREDACTED")
    ? output
    : join(dirname(output), `UNREDACTED-${output.split("/").at(-1)}`);
}

function baseName(start: Date, nodeId: string, id: string, redacted: boolean): string {
  const time = start.toISOString().replaceAll(/[-:]|\.\d+/g, "");
  return `agent-dump-${redacted ? "" : "UNREDACTED-"}${time}-${nodeId}-${id}`;
}

function nodeIdOf(hostname: string): string {
  const safe = hostname.replaceAll(/[^A-Za-z0-9_-]+/g, "-").replaceAll(/^-+|-+$/g, "").slice(0, 60);
  return safe === "" ? "node" : safe;
}

function toStdout(words: DumpWords): boolean {
  return words.output === "-";
}

function progressForm(words: DumpWords, out: boolean): ProgressForm {
  const asked = oneOf("--progress", words.progress, ["auto", "bar", "lines", "none"]);
  if (asked !== "auto") return asked;
  if (out) return Deno.stderr.isTerminal() ? "bar" : "none";
  return Deno.stdout.isTerminal() ? "bar" : "lines";
}

/** All threads of this process: what they start inherits it. Commands become nicer still. */
function beNice(): void {
  try {
    for (const { name } of Deno.readDirSync("/proc/self/task")) setPriority(Number(name), 10);
  } catch {
    // A dump that is not nice is better than none.
  }
}

function writeMap(path: string, mapping: Iterable<readonly [string, string]>): void {
  const lines = [...mapping].map(([pseudonym, value]) => `${pseudonym}\t${value}\n`);
  writeFileAtomic(path, lines.join(""), { mode: 0o600 });
}

function stopCode(signal: AbortSignal): number {
  return signal.reason === "SIGTERM" ? 143 : 130;
}

function toStderr(text: string): void {
  try {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  } catch {
    // Nobody reads it.
  }
}
