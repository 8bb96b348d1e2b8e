/**
 * What the boot before left in pstore: the end of its log at a panic (`dmesg-*`), its console and its user space
 * messages (`console-*`, `pmsg-*`). Each file is shipped once, and is removed, where that is asked for, only when every
 * sink is known to hold it. Some boot loaders begin recovery while anything is there; that is what removing is for.
 *
 * @see Linux Documentation/admin-guide/ramoops.rst
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { forwardTime } from "../../formats/syslog_encode.ts";
import type { Position, PositionValue } from "../../pipeline/checkpoint.ts";
import { errorText } from "../../pipeline/errors.ts";

/** One file of pstore, read. */
export interface PstoreFile {
  readonly name: string;
  readonly path: string;
  /** Where it is kept in the position. */
  readonly key: string;
  /** Size and hash: ramoops gives the same names at each boot. */
  readonly mark: PositionValue;
  readonly lines: readonly string[];
  /** When the kernel says that it was written; milliseconds since 1970. */
  readonly timeMs: number;
}

/** What there is. */
export interface PstoreContent {
  /** In the order of their names. */
  readonly files: readonly PstoreFile[];
  /** Sentences about what could not be read, each complete. */
  readonly complaints: readonly string[];
}

/** Reads all of a folder; nothing where there is no such folder. Never throws: pstore is a bonus. */
export function readPstore(folder: string): PstoreContent {
  const files: PstoreFile[] = [];
  const complaints: string[] = [];
  for (const name of namesIn(folder, complaints)) {
    const path = join(folder, name);
    if (name.endsWith(".enc.z")) {
      complaints.push(`"${path}" is left alone: the kernel could not decompress it`);
      continue;
    }
    if (!namePattern.test(name)) continue;
    try {
      if (Deno.lstatSync(path).isFile) files.push(readFile(path, name));
    } catch (error) {
      complaints.push(`Cannot read "${path}": ${errorText(error)}`);
    }
  }
  return { files, complaints };
}

/** Whether a position says that this very content was delivered. */
export function isCovered(file: PstoreFile, position: Position | undefined): boolean {
  const saved = position?.[file.key];
  return saved !== undefined && JSON.stringify(saved) === JSON.stringify(file.mark);
}

/** Keys in a position of files that are there no more. */
export function staleKeys(files: readonly PstoreFile[], position: Position | undefined): readonly string[] {
  const present = new Set(files.map(({ key }) => key));
  return Object.keys(position ?? {}).filter((key) => key.startsWith(keyPrefix) && !present.has(key));
}

/** Removes the file, unless its content is another by now. @throws when it cannot be removed */
export function removePstoreFile(file: PstoreFile): void {
  const now = readFile(file.path, file.name);
  if (JSON.stringify(now.mark) === JSON.stringify(file.mark)) Deno.removeSync(file.path);
}

/** The records of a file, complete syslog lines: `<6>… router1 pstore: dmesg-ramoops-0: text`. */
export function pstoreLines(file: PstoreFile, host: string): readonly string[] {
  const time = forwardTime(file.timeMs);
  return file.lines.map((line) => {
    const { priority, text } = splitLevel(line);
    return `<${priority}>${time} ${host} pstore: ${file.name}: ${text}`;
  });
}

function namesIn(folder: string, complaints: string[]): readonly string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) complaints.push(`Cannot read "${folder}": ${errorText(error)}`);
    return [];
  }
}

function readFile(path: string, name: string): PstoreFile {
  const bytes = Deno.readFileSync(path);
  const { mtime } = Deno.statSync(path);
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 32);
  return {
    name,
    path,
    key: keyPrefix + name,
    mark: { sizeBytes: bytes.length, hash },
    lines: linesOf(bytes),
    timeMs: mtime?.getTime() ?? Date.now(),
  };
}

/** What is left of a ring of bytes: the first line may be torn, unused bytes are NUL. */
function linesOf(bytes: Uint8Array): readonly string[] {
  const lines = new TextDecoder().decode(bytes).split("\n").map((line) =>
    line.replaceAll("\0", "").replace(/\r+$/, "")
  );
  return lines.filter((line) => line !== "");
}

/** `<4>[   12.3] text` as the kernel writes it into dmesg; anything else is of level 6, informational. */
function splitLevel(line: string): { readonly priority: number; readonly text: string } {
  const match = /^<(\d{1,3})>/.exec(line);
  if (match === null || Number(match[1]) > 191) return { priority: 6, text: line };
  return { priority: Number(match[1]), text: line.slice(match[0].length) };
}

const namePattern = /^(dmesg|console|pmsg)-/;
const keyPrefix = "pstore:";
