/** Files by pattern (`--include GLOB`), and databases of SQLite among them as SQL, so that they can be read and redacted. */
import { type Glob, matchesGlob, parseGlobs } from "../../formats/glob.ts";
import { errorText } from "../../pipeline/errors.ts";
import { secretName } from "../../rules/secret_name.ts";
import type { Artifact, Collector, DumpContext, DumpProfile } from "../collector.ts";
import { collector, noteMissingProgram } from "./define.ts";
import { FileError, inspect, namesIn, noteFailure, readChunks, type RegularFile } from "./files.ts";
import { packerOfHead, packerOfName, unpackedFile } from "./unpack.ts";

/** Files that a pattern matches. @param pattern absolute; a problem of the pattern is thrown at once */
export function includeCollector(pattern: string): Collector {
  const globs = parseGlobs(pattern);
  return collector({
    id: `files/${pattern.replaceAll(/[^\w.*-]+/g, "_").replace(/^_/, "")}`,
    summary: `files that match ${pattern}`,
    timeoutMs: 60_000,
    plan: () => [`read ${pattern}`],
    async *collect(context): AsyncIterable<Artifact> {
      let found = 0;
      const paths = new Set<string>();
      for (const glob of globs) {
        for await (const path of walk(context, glob)) if (matchesGlob(globs, path)) paths.add(path);
      }
      for (const path of paths) {
        if (++found > mostFiles) {
          const text = `Cannot take all files of "${pattern}": more than ${mostFiles} match`;
          return context.note({ about: `files${pattern}`, state: "partial", text });
        }
        yield* fileOf(context, path);
      }
      if (found === 0) {
        context.note({
          about: `files${pattern}`,
          state: "missing",
          text: `Cannot find files: none matches "${pattern}"`,
        });
      }
    },
  });
}

const secretWord = new RegExp(`${secretName}$`, "i");
const mostFiles = 5_000;
const fileBytes: Readonly<Record<DumpProfile, number>> = {
  speed: 4 * 2 ** 20,
  size: 4 * 2 ** 20,
  complete: 512 * 2 ** 20,
};

/** Paths that may match, folder by folder; links to folders are not followed, so that nothing goes round in circles. */
async function* walk(context: DumpContext, glob: Glob): AsyncIterable<string> {
  async function* visit(folder: string, index: number, depth: number): AsyncIterable<string> {
    const segment = glob.segments[index];
    if (segment === undefined || depth > 24) return;
    const isLast = index === glob.segments.length - 1;
    if (segment.kind === "name") {
      const path = `${folder}/${segment.name}`;
      if (isLast) yield path;
      else yield* visit(path, index + 1, depth + 1);
      return;
    }
    if (segment.kind === "deep" && !isLast) yield* visit(folder, index + 1, depth + 1);
    for (const name of await namesIn(context, folder === "" ? "/" : folder)) {
      const path = `${folder}/${name}`;
      if (segment.kind === "match" && !segment.expression.test(name)) continue;
      if (segment.kind === "deep" && name.startsWith(".")) continue;
      const isFolder = await isRealFolder(context, path);
      if (segment.kind === "deep" && isFolder) yield* visit(path, index, depth + 1);
      else if (isLast && !isFolder) yield path;
      else if (isFolder) yield* visit(path, index + 1, depth + 1);
    }
  }
  yield* visit("", 0, 0);
}

async function isRealFolder(context: DumpContext, path: string): Promise<boolean> {
  context.signal.throwIfAborted();
  const { machine } = context;
  // Not `locate`, which would follow the link that shall be seen.
  const plain = machine.live ? path : machine.root.replace(/\/+$/, "") + path;
  return (await Deno.lstat(plain).catch(() => undefined))?.isDirectory === true;
}

async function* fileOf(context: DumpContext, name: string): AsyncIterable<Artifact> {
  const { machine, signal } = context;
  try {
    const file = await inspect(machine.locate(name), signal);
    const head = new Uint8Array(16);
    for await (const chunk of readChunks(file.path, { maxBytes: 16, signal })) head.set(chunk);
    const shared = { origin: name, taken: new Date(file.modifiedMs) };
    if (new TextDecoder().decode(head).startsWith("SQLite format 3")) {
      yield { ...shared, path: `files${name}.sql`, kind: "text", content: sqlOf(context, file, name) };
    } else if (head[0] === 0x1f && head[1] === 0x8b) {
      yield { ...shared, path: `files${name}`, kind: "log", encoding: "gzip", content: endOf(context, file, name) };
    } else if (packerOfHead(head) !== undefined) {
      const program = packerOfHead(head)!;
      const to = `files${packerOfName(name)?.bare ?? name}`;
      const unpacked = unpackedFile(context, { program, path: file.path, to, maxBytes: fileBytes[context.profile] });
      if (unpacked === undefined) noteMissingProgram(context, to, program);
      else yield { ...unpacked, ...shared };
    } else yield { ...shared, path: `files${name}`, kind: kindOf(name, head), content: endOf(context, file, name) };
  } catch (error) {
    signal.throwIfAborted();
    // A name without a pattern in it is asked for; that it is missing is said once, by the caller of all.
    if (!(error instanceof FileError) || error.state !== "missing") noteFailure(context, `files${name}`, error);
  }
}

/** The last bytes that the profile takes; of compressed files only whole ones. */
async function* endOf(context: DumpContext, file: RegularFile, name: string): AsyncIterable<Uint8Array> {
  const most = fileBytes[context.profile];
  const from = Math.max(0, file.sizeBytes - most);
  if (from > 0) {
    const text = `Cannot take all of "${name}": the ${context.profile} profile takes the last ${most} bytes`;
    context.note({ about: `files${name}`, state: "partial", text });
    if (name.endsWith(".gz")) return;
  }
  // Files of /proc and /sys say 0: there the profile is the limit.
  const maxBytes = file.sizeBytes === 0 ? most : file.sizeBytes - from;
  yield* readChunks(file.path, { from, maxBytes, signal: context.signal });
}

function kindOf(name: string, head: Uint8Array): Artifact["kind"] {
  if (head.includes(0)) return "binary";
  if (/\.ya?ml$/.test(name)) return "yaml";
  if (/\.json$/.test(name)) return "json";
  return /\.log(\.\d+)?$/.test(name) ? "log" : "text";
}

/** Schema and rows as SQL. Opened for reading; a database in use gives what is committed. */
async function* sqlOf(context: DumpContext, file: RegularFile, name: string): AsyncIterable<Uint8Array> {
  const most = context.profile === "complete" ? 100_000 : 1_000;
  const encoder = new TextEncoder();
  try {
    const { DatabaseSync } = await import("node:sqlite");
    const database = new DatabaseSync(file.path, { readOnly: true });
    try {
      database.exec("PRAGMA busy_timeout = 1000");
      const schema = database.prepare("SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
        .all();
      for (const { name: table, type, sql } of schema) {
        yield encoder.encode(`${String(sql)};\n`);
        if (type !== "table") continue;
        const quoted = `"${String(table).replaceAll('"', '""')}"`;
        const rows = database.prepare(`SELECT * FROM ${quoted} LIMIT ${most + 1}`);
        rows.setReadBigInts(true);
        let count = 0;
        for (const row of rows.iterate()) {
          context.signal.throwIfAborted();
          if (count++ === most) yield encoder.encode(`-- more than ${most} rows\n`);
          else yield encoder.encode(`INSERT INTO ${quoted} VALUES(${valuesOf(context, row).join(",")});\n`);
        }
      }
    } finally {
      database.close();
    }
  } catch (error) {
    context.signal.throwIfAborted();
    const text = `Cannot read database "${name}": ${errorText(error)}`;
    context.note({ about: `files${name}.sql`, state: "error", text });
  }
}

/** Behind a name of its column, or beside a name in its row, a value is secret; in SQL the redactor could not see that. */
function valuesOf({ unredacted }: DumpContext, row: Readonly<Record<string, unknown>>): readonly string[] {
  const cells = Object.entries(row);
  const isNamed = cells.some(([, value]) => typeof value === "string" && value.length < 80 && secretWord.test(value));
  return cells.map(([column, value]) => {
    const isSecret = secretWord.test(column) || (isNamed && /^(?:value|val|v|data|content)$/i.test(column));
    const mayShow = unredacted === true || value === null || typeof value === "boolean" || value === "";
    return isSecret && !mayShow ? "'[redacted]'" : sqlValue(value);
  });
}

function sqlValue(value: unknown): string {
  if (value === null || value === undefined) return "NULL";
  if (value instanceof Uint8Array) return `X'...' /* ${value.length} bytes */`;
  return typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : String(value);
}
