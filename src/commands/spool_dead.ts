/** `agent spool check|export|drop --dead`: the records that sinks could not deliver and have kept aside. */
import { join } from "node:path";
import { escapedLine } from "../formats/line_buffer.ts";
import { failure, UsageError } from "../pipeline/errors.ts";
import { deadLetterFiles, deadLetterFolder, readDeadLetters, sinksWithDeadLetters } from "../spool/dead_letters.ts";
import { writeAllSync } from "../system/atomic_file.ts";
import { lockFolder } from "../system/lock.ts";
import { openLog } from "../system/log.ts";
import type { CommandContext } from "./context.ts";
import { createOutput, writeStdout } from "./spool_export.ts";

/** What is looked at, and how. */
export interface DeadLetterCommandOptions {
  readonly state: string;
  readonly sink?: string;
  readonly json?: boolean;
  readonly output?: string;
  readonly all?: boolean;
}

/** What is known of one sink's dead letters. */
interface Summary {
  readonly sink: string;
  readonly records: number;
  readonly damaged: number;
  /** Records by cause: `refused`, `tries`. */
  readonly causes: Readonly<Record<string, number>>;
  readonly oldest: unknown;
  readonly newest: unknown;
  readonly lastReason: unknown;
}

/** Lists, exports (3: all but what is damaged) or removes dead letters; the result is the exit code. */
export function deadLetterAction(
  action: string | undefined,
  options: DeadLetterCommandOptions,
  context: CommandContext,
): number {
  if (action === "check") return check(options, context);
  if (action === "export") return exportLetters(options);
  if (action === "drop") return drop(options, context);
  throw new UsageError(`"${action}" is no action of agent spool\nTry: agent spool --help`);
}

function check(options: DeadLetterCommandOptions, context: CommandContext): number {
  const summaries = foldersOf(options).map(({ sink, folder }) => summaryOf(sink, folder));
  const text = summaries.map(({ sink, records, damaged, causes, oldest, newest, lastReason }) =>
    `sink "${sink}": ${records} dead letters (${
      Object.entries(causes).map(([cause, count]) => `${count} ${cause}`).join(", ") || "none"
    })${damaged > 0 ? `, ${damaged} damaged lines` : ""}${
      records === 0 ? "" : `, ${oldest} to ${newest}; the last one: ${lastReason}`
    }\n`
  ).join("");
  context.print(options.json === true ? JSON.stringify(summaries) + "\n" : text === "" ? "no dead letters\n" : text);
  return summaries.some(({ damaged }) => damaged > 0) ? 1 : 0;
}

function summaryOf(sink: string, folder: string): Summary {
  const causes: Record<string, number> = {};
  let records = 0;
  let damaged = 0;
  let oldest: unknown;
  let last: Readonly<Record<string, unknown>> = {};
  for (const letter of readDeadLetters(folder)) {
    if (letter === undefined) {
      damaged++;
      continue;
    }
    records++;
    last = letter.members;
    oldest ??= last.keptAt;
    const cause = String(last.cause);
    causes[cause] = (causes[cause] ?? 0) + 1;
  }
  return { sink, records, damaged, causes, oldest, newest: last.keptAt, lastReason: last.reason };
}

/** Lines as they were to be sent, for `agent ship --from stdin:`; with `--json` all that is known of each. */
function exportLetters(options: DeadLetterCommandOptions): number {
  const output = options.output === undefined ? undefined : createOutput(options.output);
  let damaged = 0;
  try {
    for (const { sink, folder } of foldersOf(options)) {
      for (const letter of readDeadLetters(folder)) {
        if (letter === undefined) damaged++;
        else {
          const bytes = options.json === true
            ? encoder.encode(JSON.stringify({ sink, ...letter.members }) + "\n")
            : escapedLine(letter.message);
          if (output === undefined) writeStdout(bytes);
          else writeAllSync(output, bytes);
        }
      }
    }
    output?.syncSync();
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return 0; // whoever reads has seen enough
    throw failure("export", "the dead letters", error);
  } finally {
    output?.close();
  }
  if (damaged === 0) return 0;
  log.warning(`${damaged} damaged lines were left out`);
  return 3;
}

/** Only what no running agent writes to: it would go on with a file that is no longer there. */
function drop(options: DeadLetterCommandOptions, context: CommandContext): number {
  if (options.all !== true) {
    throw new UsageError("drop: name what is to go\nTry: agent spool drop --dead --all, with --sink NAME for one sink");
  }
  for (const { sink, folder } of foldersOf(options)) {
    using _lock = lockFolder(folder);
    const { records } = summaryOf(sink, folder);
    for (const name of deadLetterFiles(folder)) Deno.removeSync(join(folder, name));
    context.print(`sink "${sink}": ${records} dead letters removed\n`);
  }
  return 0;
}

function foldersOf({ state, sink }: DeadLetterCommandOptions): readonly { sink: string; folder: string }[] {
  const all = sinksWithDeadLetters(state);
  if (sink === undefined) return all;
  const folder = deadLetterFolder(state, sink);
  if (all.some((one) => one.folder === folder)) return [{ sink, folder }];
  throw new UsageError(
    `--sink: "${sink}" has no dead letters in "${state}"\nTry: agent spool check --dead --state ${state}`,
  );
}

const encoder = new TextEncoder();
const log = openLog("spool");
