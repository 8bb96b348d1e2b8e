/** `agent spool check|export|drop`: the offline tool for the disk queue of an agent that does not run. */
import { dirname, join } from "node:path";
import { defaults } from "../config/defaults.ts";
import { formatSize } from "../formats/duration.ts";
import { failure, UsageError } from "../pipeline/errors.ts";
import { FolderFiles } from "../spool/files.ts";
import { dropFromSpool, inspectSpool, type SpoolReport } from "../spool/offline.ts";
import { type FolderLock, lockFolder } from "../system/lock.ts";
import type { CommandContext } from "./context.ts";
import { newCommand, parseOptions } from "./options.ts";
import { deadLetterAction } from "./spool_dead.ts";
import { type ExportOptions, exportRecords } from "./spool_export.ts";

interface SpoolCommandOptions extends ExportOptions {
  readonly dead?: boolean;
  readonly sink?: string;
  readonly state: string;
  readonly folder?: string;
  readonly through?: string;
  readonly all?: boolean;
}

const example = `agent spool check --state /var/lib/agent
agent spool export --json --reader loghost > records.jsonl
agent spool drop --all
agent spool check --dead
agent spool export --dead --sink loghost | agent ship --from stdin: --to relp://loghost:2514 --once`;

/** Checks (1: damaged), exports (3: all but what is damaged) or drops. */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const command = newCommand("spool", "Checks, exports or drops what waits on disk; the agent must not run.", example)
    .argument("<action>", "check, export or drop")
    .option("--state <dir>", "the agent's state folder; the spool is the folder spool in it", defaults.state)
    .option("--folder <dir>", "the spool's folder itself, for example a copy from another machine")
    .option("--json", "check: the report as JSON; export: one JSON object per record")
    .option("--output <file>", "export: write to a new file instead of stdout")
    .option("--reader <sink>", "export: only what this sink has not confirmed")
    .option("--from <number>", "export: only records from this number on")
    .option("--through <number>", "drop: records up to this number")
    .option("--all", "drop: all records")
    .option("--dead", "of the dead letters, which sinks could not deliver; the agent may run, but for drop")
    .option("--sink <name>", "with --dead: of this sink alone");
  const parsed = parseOptions<SpoolCommandOptions>(command, words, context);
  if (parsed === undefined) return 0;
  const { options, args: [action] } = parsed;
  if (options.dead === true) return await deadLetterAction(action, options, context);
  const through = action === "drop" ? dropLimit(options) : 0;
  const folder = options.folder ?? join(options.state, "spool");
  const files = openFolder(folder);
  using _lock = lockIfShared(folder);
  if (action === "check") return check(files, options, context);
  if (action === "export") return exportRecords(files, options);
  if (action !== "drop") throw new UsageError(`"${action}" is no action of agent spool\nTry: agent spool --help`);
  return await drop(folder, files, through, context);
}

function check(files: FolderFiles, options: SpoolCommandOptions, context: CommandContext): number {
  const report = inspectSpool(files);
  context.print(options.json ? JSON.stringify(report) + "\n" : reportText(report));
  return report.damagedBytes + report.missingRecords > 0 ? 1 : 0;
}

async function drop(folder: string, files: FolderFiles, through: number, context: CommandContext): Promise<number> {
  try {
    const dropped = await dropFromSpool(files, through);
    context.print(`${dropped} records dropped; the sinks will be told of it as a gap\n`);
    return 0;
  } catch (error) {
    throw failure("drop records of", `spool "${folder}"`, error, "repeat the command when the disk can be written");
  }
}

function reportText(report: SpoolReport): string {
  const { segments, readers, damagedBytes, missingRecords, untold } = report;
  const lines = [
    `${report.records} records in ${segments.length} segment${segments.length === 1 ? "" : "s"}, ${
      formatSize(report.bytes)
    }`,
  ];
  for (const { name, bytes, records, firstSeq, lastSeq, damage } of segments) {
    lines.push(`  ${name}  ${formatSize(bytes)}  ${records} records, ${firstSeq} to ${lastSeq}`);
    for (const { at, end } of damage) lines.push(`    damaged: ${end - at} bytes at ${at}`);
  }
  for (const { id, committed, held } of readers) {
    lines.push(`sink "${id}": confirmed up to ${committed ?? "unknown (cursor damaged)"}, ${held} records to go`);
  }
  const drops = untold.full + untold.long + untold.hand;
  if (drops > 0) lines.push(`${drops} records were dropped; the sinks will be told of it at the next start`);
  lines.push(
    damagedBytes + missingRecords === 0
      ? "no damage"
      : `damage: ${damagedBytes} bytes, ${missingRecords} records missing between the oldest and the newest; ` +
        "the agent passes over it by itself and tells the sinks of the gap",
  );
  return lines.join("\n") + "\n";
}

function dropLimit({ through, all }: SpoolCommandOptions): number {
  if (all === true && through === undefined) return Number.MAX_SAFE_INTEGER;
  if (all === true || through === undefined || !/^\d{1,15}$/.test(through)) {
    throw new UsageError("drop: name what is to go\nTry: agent spool drop --through NUMBER, or --all");
  }
  return Number(through);
}

function openFolder(folder: string): FolderFiles {
  try {
    const files = new FolderFiles(folder);
    files.list();
    return files;
  } catch (error) {
    throw failure("read", `spool "${folder}"`, error, "--state DIR of the agent, or --folder DIR of a copy");
  }
}

/** An agent locks its state folder, in which the spool is. A folder without a lock beside it is a copy. */
function lockIfShared(folder: string): FolderLock | undefined {
  const parent = dirname(folder);
  try {
    Deno.statSync(join(parent, "lock"));
  } catch {
    return undefined;
  }
  return lockFolder(parent);
}
