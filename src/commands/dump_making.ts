/** Wires a dump together and runs it: configuration, machine, redactor, room, seal, other machines. */
import { dirname, join } from "node:path";
import { setPriority } from "node:os";
import project from "../../deno.json" with { type: "json" };
import { analysers } from "../dump/analysers/mod.ts";
import type { Collector, DumpProfile } from "../dump/collector.ts";
import { gatheredFolderCollector } from "../dump/collectors/gathered_folder.ts";
import { k3sScriptCollectors } from "../dump/collectors/k3s.ts";
import { type DumpOptions, type DumpOutcome, makeDump } from "../dump/dump.ts";
import { type Machine, readMachine } from "../dump/machine.ts";
import { type NodeAddress, parseNodes } from "../dump/nodes/address.ts";
import { gatherNodes } from "../dump/nodes/nodes.ts";
import { openOutput } from "../dump/output.ts";
import { Progress, type ProgressForm } from "../dump/progress.ts";
import { headLines } from "../dump/report_text.ts";
import { endOwnCommands, endStaleCommands } from "../dump/stale_commands.ts";
import { DumpStopped } from "../dump/stopped.ts";
import { canDraw } from "../dump/terminal.ts";
import { readHeadersFile } from "../dump/upload/target.ts";
import { formatSize } from "../formats/duration.ts";
import { errorText, UsageError } from "../pipeline/errors.ts";
import { writeFileAtomic } from "../system/atomic_file.ts";
import { openLog } from "../system/log.ts";
import type { CommandContext } from "./context.ts";
import { findConfig, type FoundConfig } from "./dump_config.ts";
import { type DumpPlan, planDump } from "./dump_plan.ts";
import { confirmUnredacted, openDumpRedactor } from "./dump_redactor.ts";
import { planSealing, type Sealing } from "./dump_sealing.ts";
import { estimateBytes, openWorkFile } from "./dump_space.ts";
import { type DumpWords, profileOf, toStdout } from "./dump_words.ts";
import { oneOf } from "./options.ts";

/** Makes a dump and says how it went. @throws what kept the file from being written */
export async function dump(words: DumpWords, context: CommandContext): Promise<number> {
  const found = findConfig(words.config);
  const machine = readMachine(words.root);
  if (!isFolder(words.root)) throw new UsageError(`--root: "${words.root}" is no folder`);
  const profile = profileOf(words, found.config?.dump);
  const log = openLog("dump");
  if (found.problem !== undefined) {
    log.warning(`the configuration cannot be used, its section dump neither: ${found.problem}`);
  }
  const plan = planDump(words, found, machine);
  const sealing = await planSealing(words, found.config?.dump, log);
  const nodes = words.nodes === undefined ? undefined : parseNodes(words.nodes);
  const chosen = nodes !== undefined ? [] : collectorsOf(sealing, plan);
  const redactor = openDumpRedactor(words, found, machine, (text) => log.warning(text));
  await confirmUnredacted(words);
  const out = toStdout(words);
  const tell = out ? toStderr : quietly(context.print);
  const progress = new Progress(progressForm(words, out), tell);
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
    const stale = machine.live ? await endStaleCommands() : 0;
    if (stale > 0) log.warning(`ended ${stale} processes that a killed dump had left running`);
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
      ...(nodes === undefined
        ? {}
        : { others: otherMachines(nodes, words, { ...plan, profile, machine, progress, warn: log.warning }) }),
      chooseSeal: () => sealing.choose(context.signal),
      signal: context.signal,
    });
    if (words.map !== undefined) writeMap(words.map, redactor.mapping());
    return await finish({ words, outcome, path, sealing, progress, tell, signal: context.signal });
  } catch (error) {
    progress.end("FAIL", error instanceof DumpStopped ? "stopped, nothing is left" : errorText(error).split("\n")[0]!);
    if (!(error instanceof DumpStopped)) throw error;
    toStderr("agent: stopped; nothing is left of the dump (--keep-partial would have written what was there)\n");
    return stopCode(context.signal);
  } finally {
    if (machine.live) await endOwnCommands();
  }
}

function collectorsOf({ gatheredFolder, scriptLayout }: Sealing, plan: DumpPlan): readonly Collector[] {
  if (gatheredFolder !== undefined) return [gatheredFolderCollector(gatheredFolder)];
  return scriptLayout ? k3sScriptCollectors() : plan.chosen;
}

/** Asks the machines for their dumps; the transfer has a little longer than they have. */
function otherMachines(
  nodes: readonly NodeAddress[],
  words: DumpWords,
  { deadlineMs, since, until, profile, machine, progress, warn }:
    & Pick<DumpPlan, "deadlineMs" | "since" | "until">
    & {
      readonly profile: DumpProfile;
      readonly machine: Machine;
      readonly progress: Progress;
      warn(text: string): void;
    },
): NonNullable<DumpOptions["others"]> {
  return (store, signal) => {
    progress.phase(`gathering from ${nodes.map(({ name }) => name).join(", ")}`);
    return gatherNodes({
      nodes,
      wish: {
        profile,
        deadlineMs: deadlineMs * 0.7,
        ...(since === undefined ? {} : { since }),
        ...(until === undefined ? {} : { until }),
      },
      deadlineMs: deadlineMs * 0.85,
      machine,
      http: {
        ...(words.uploadHeaders === undefined ? {} : { headers: readHeadersFile(words.uploadHeaders) }),
        ...(words.ca === undefined ? {} : { tls: { ca: words.ca } }),
      },
      store,
      idOf: (name) => nodeIdOf(store.redactor.redactText(name)),
      note: warn,
      signal,
    });
  };
}

interface Finish {
  readonly words: DumpWords;
  readonly outcome: DumpOutcome;
  readonly path: string;
  readonly sealing: Sealing;
  readonly progress: Progress;
  tell(text: string): void;
  readonly signal: AbortSignal;
}

async function finish({ words, outcome, path, sealing, progress, tell, signal }: Finish): Promise<number> {
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
  if (human) tell(text);
  else toStderr(text);
  const notice = sealing.notice();
  if (notice !== undefined) toStderr(notice);
  if (signal.aborted) return stopCode(signal);
  if (path !== "-") await sealing.send(path, signal);
  if (signal.aborted) return stopCode(signal);
  return report.complete ? 0 : 3;
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

function progressForm(words: DumpWords, out: boolean): ProgressForm {
  const asked = oneOf("--progress", words.progress, ["auto", "bar", "lines", "none"]);
  if (asked === "bar") return canDraw() ? "bar" : "lines";
  if (asked !== "auto") return asked;
  if (out && !Deno.stderr.isTerminal()) return "none";
  return canDraw() && (out || Deno.stdout.isTerminal()) ? "bar" : "lines";
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

const toStderr = quietly((text) => void Deno.stderr.writeSync(new TextEncoder().encode(text)));

/** Where nobody reads it any more, or it goes to the full disk that is the reason for the dump, the dump is made all the same. */
function quietly(write: (text: string) => void): (text: string) => void {
  return (text) => {
    try {
      write(text);
    } catch {
      // The exit code tells.
    }
  };
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
