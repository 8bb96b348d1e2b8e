/** Names that rotation gives: `app.log.1`, `app.log-20260131`, `app-2026-01-31T10.log`, `app.log.old`, `app.1.log`. */
import { basename, extname } from "node:path";

/** Whether a file called `name` may be an earlier content of the one called `live`; paths or names, folders are ignored. */
export function isRotatedName(live: string, name: string): boolean {
  const liveName = live.slice(live.lastIndexOf("/") + 1);
  const other = name.slice(name.lastIndexOf("/") + 1);
  if (other.length <= liveName.length) return false; // nearly always, and asked for every pair of files
  if (other.startsWith(liveName) && isSuffix(other.slice(liveName.length))) return true;
  const extension = extname(liveName);
  const stem = liveName.slice(0, liveName.length - extension.length);
  if (extension === "" || !other.startsWith(stem) || !other.endsWith(extension)) return false;
  return isSuffix(other.slice(stem.length, other.length - extension.length));
}

/** The paths of which `path` may be the name of an earlier content: at the most one for each place of a suffix. */
export function liveNamesOf(path: string): readonly string[] {
  const [, atEnd] = suffixLast.exec(path) ?? [];
  const [, stem, extension] = suffixInside.exec(path) ?? [];
  return [atEnd, stem === undefined ? undefined : stem + extension].filter((name) => name !== undefined);
}

/** Program name for the records of a file: its base name without rotation suffix and `.log`. */
export function programOf(path: string): string {
  const name = basename(path).replace(suffixAtEnd, "").replace(/\.log$/, "").replace(suffixAtEnd, "");
  return name === "" ? basename(path) : name;
}

function isSuffix(text: string): boolean {
  return wholeSuffix.test(text);
}

const suffix = String.raw`(?:[.\-_][0-9][0-9.\-_T:Z]*|[.\-_](?:old|prev|bak|copy)|~)`;
const wholeSuffix = new RegExp(`^${suffix}$`);
const suffixLast = new RegExp(`^(.*?[^/])${suffix}$`);
const suffixInside = new RegExp(String.raw`^(.*?[^/])${suffix}(\.[^./]+)$`);

const suffixAtEnd = /(?:[.\-_](?:[0-9]{1,3}|[0-9]{4}-?[0-9]{2}[0-9.\-_T:Z]*|[0-9]{9,}|old|prev|bak)|~)$/;
