/** `agent spool export`: the records that wait on disk, as lines or as JSON. */
import { recordMembers } from "../formats/record_json.ts";
import { type Batch, packedBytes } from "../pipeline/batch.ts";
import { failure, UsageError } from "../pipeline/errors.ts";
import type { SpoolFiles } from "../spool/files.ts";
import { exportSpool } from "../spool/offline.ts";
import { cursorName } from "../spool/recovery.ts";
import { readSlots } from "../spool/slot_file.ts";
import { writeAllSync } from "../system/atomic_file.ts";
import { openLog } from "../system/log.ts";

/** What is exported, and how. */
export interface ExportOptions {
  readonly json?: boolean;
  readonly output?: string;
  readonly reader?: string;
  readonly from?: string;
}

/** Writes the records; the result is the exit code: 3 when damaged spans had to be left out. */
export function exportRecords(files: SpoolFiles, options: ExportOptions): number {
  const from = firstNumber(files, options);
  const output = options.output === undefined ? undefined : createOutput(options.output);
  let damagedBytes = 0;
  try {
    for (const batch of exportSpool(files, from, (bytes) => damagedBytes += bytes)) {
      const bytes = options.json ? jsonLines(batch) : packedBytes(batch);
      if (output === undefined) writeStdout(bytes);
      else writeAllSync(output, bytes);
    }
    output?.syncSync();
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return 0; // whoever reads has seen enough
    throw failure("export", "the spool", error);
  } finally {
    output?.close();
  }
  if (damagedBytes === 0) return 0;
  log.warning(`${damagedBytes} damaged bytes were left out`);
  return 3;
}

/** Records are bytes, and `CommandContext.print` takes text. */
export function writeStdout(bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
}

function firstNumber(files: SpoolFiles, { reader, from }: ExportOptions): number {
  if (from !== undefined && !/^\d{1,15}$/.test(from)) throw new UsageError(`--from: "${from}" is not a number`);
  if (reader === undefined) return Number(from ?? 0);
  const cursor = readSlots(files, cursorName(reader))?.slot;
  if (cursor === undefined) throw new UsageError(`--reader: the spool knows no "${reader}"\nTry: agent spool check`);
  return Math.max(cursor.value + 1, Number(from ?? 0));
}

/** A new file for what is exported. @throws when it is there already */
export function createOutput(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  } catch (error) {
    throw failure("write", `"${path}"`, error, "name a file that does not exist yet");
  }
}

/** One object per record, numbered as the spool does. */
function jsonLines(batch: Batch): Uint8Array {
  const firstSeq = (batch.position.spool as number) - batch.count + 1;
  let text = "";
  for (let i = 0; i < batch.count; i++) {
    text += JSON.stringify({ number: firstSeq + i, ...recordMembers(batch, i) }) + "\n";
  }
  return encoder.encode(text);
}

const encoder = new TextEncoder();
const log = openLog("spool");
