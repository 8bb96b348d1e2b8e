/**
 * What a log directory holds, oldest first, and nothing between missed while its writer rotates:
 *
 * ```text
 *   s6-log rotates:    current → previous (rename) · new current · previous → @STAMP.s (link, unlink)
 *   s6-log restarts:   current → @STAMP.u (link, unlink) · new current          after it was killed
 *   we look:           open current · open previous · list the archives
 * ```
 *
 * Whatever is older than the `current` that we opened had its next name before we looked under that one, so it is found.
 * A log that is one plain file has itself as `current` and no archives.
 */
import { lstatSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { failure } from "../../pipeline/errors.ts";
import { keyOf, LogFile } from "./log_file.ts";

/** A file that was seen. */
export interface Seen {
  readonly name: string;
  readonly path: string;
  readonly key: string;
  readonly sizeBytes: number;
  /** Nothing is added to it any more. */
  readonly archived: boolean;
  /** Present where it was opened while looking. */
  readonly file?: LogFile;
}

/** All that was seen. Dispose it to close what was opened and not taken. */
export interface Survey extends Disposable {
  /** Oldest first: archives by name, `previous`, `current`. */
  readonly files: readonly Seen[];
  /** Takes a file over from the survey, opened; undefined when it is gone by now. */
  take(seen: Seen): LogFile | undefined;
}

/** What `path` is: it may change while we look on. */
export type LogKind = "directory" | "file" | "missing";

/** What is there now. @throws where we may not look */
export function kindOf(path: string): LogKind {
  try {
    const info = statSync(path);
    return info.isDirectory() ? "directory" : info.isFile() ? "file" : "missing";
  } catch (error) {
    if (isAbsence(error)) return "missing";
    throw failure("look at", `log "${path}"`, error);
  }
}

/** Looks at everything there is. `knownKeys`: of a plain file, the ones to look for beside it when they were renamed. */
export function surveyOf(path: string, knownKeys: ReadonlySet<string>): Survey {
  const kind = kindOf(path);
  const opened: LogFile[] = [];
  const open = (filePath: string, name: string, followLink: boolean): LogFile | undefined => {
    const file = LogFile.open(filePath, name, followLink);
    if (file !== undefined) opened.push(file);
    return file;
  };
  try {
    const files = kind === "directory" ? inDirectory(path, open) : kind === "file" ? ofFile(path, knownKeys, open) : [];
    return new OpenSurvey(files, opened);
  } catch (error) {
    for (const file of opened) file.close();
    throw error;
  }
}

/** Whether `key` is not what a writer adds to any more. For a plain file only once there is another one. */
export function isLeft(path: string, kind: LogKind, key: string): boolean {
  try {
    return keyOf(statSync(kind === "directory" ? join(path, "current") : path)) !== key;
  } catch (error) {
    if (!isAbsence(error)) throw failure("look at", `log "${path}"`, error);
    return kind === "directory";
  }
}

type Open = (path: string, name: string, followLink: boolean) => LogFile | undefined;

function inDirectory(path: string, open: Open): readonly Seen[] {
  const current = open(join(path, "current"), "current", false);
  const previous = open(join(path, "previous"), "previous", false);
  const archives = readdirSync(path).filter((name) => archivePattern.test(name)).sort();
  const seen: Seen[] = archives.flatMap((name) => lookAt(join(path, name), name));
  if (previous !== undefined) seen.push(seenOpen(previous, true));
  if (current !== undefined) seen.push(seenOpen(current, false));
  // Between link and unlink a file has two names; the first one in our order is the one that stays.
  const keys = new Set<string>();
  return seen.filter(({ key }) => !keys.has(key) && keys.add(key) !== undefined);
}

function ofFile(path: string, knownKeys: ReadonlySet<string>, open: Open): readonly Seen[] {
  const file = open(path, basename(path), true);
  if (file === undefined) return [];
  const missing = [...knownKeys].some((key) => key !== file.key);
  const older = missing
    ? readdirSync(dirname(path)).sort().flatMap((name) => lookAt(join(dirname(path), name), name))
      .filter(({ key }) => key !== file.key && knownKeys.has(key))
    : [];
  return [...older, seenOpen(file, false)];
}

function lookAt(path: string, name: string): readonly Seen[] {
  try {
    const info = lstatSync(path);
    return info.isFile() ? [{ name, path, key: keyOf(info), sizeBytes: info.size, archived: true }] : [];
  } catch (error) {
    if (isAbsence(error)) return []; // removed by its writer while we looked
    throw failure("look at", `log "${path}"`, error);
  }
}

function seenOpen(file: LogFile, archived: boolean): Seen {
  return { name: file.name, path: file.path, key: file.key, sizeBytes: file.sizeBytes, archived, file };
}

class OpenSurvey implements Survey {
  readonly files: readonly Seen[];
  readonly #opened: Set<LogFile>;

  constructor(files: readonly Seen[], opened: readonly LogFile[]) {
    this.files = files;
    this.#opened = new Set(opened);
  }

  take(seen: Seen): LogFile | undefined {
    if (seen.file !== undefined) {
      this.#opened.delete(seen.file);
      return seen.file;
    }
    const file = LogFile.open(seen.path, seen.name, false);
    if (file === undefined || file.key === seen.key) return file;
    file.close();
    return undefined;
  }

  [Symbol.dispose](): void {
    for (const file of this.#opened) file.close();
  }
}

function isAbsence(error: unknown): boolean {
  const code = (error as { code?: string }).code;
  return code === "ENOENT" || code === "ENOTDIR";
}

/** `.s`: complete; `.u`: its writer was killed (s6-log(1), multilog(8)). */
const archivePattern = /^@[0-9a-f]{24}\.[su]$/;
