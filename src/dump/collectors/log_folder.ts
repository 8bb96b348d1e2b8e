/**
 * The log files below a folder, found with distrust: a link is followed only to a file in a place of logs, every file is
 * taken once whatever its names are, and what is no log is passed over and said so in the index.
 */
import { lstat, realpath } from "node:fs/promises";
import type { DumpContext } from "../collector.ts";
import { abortable, answered, FileError, inspect, namesIn, noteFailure, type RegularFile } from "./files.ts";

/** A file that looks like a log. */
export interface LogFile extends RegularFile {
  /** As on that machine: `/var/log/syslog.1`. */
  readonly name: string;
}

/** What was found. */
export interface FoundLogs {
  /** Newest first. */
  readonly files: readonly LogFile[];
  /** `path: why not`. */
  readonly passed: readonly string[];
}

/**
 * Looks at all of `folders`, six levels deep; `leaveOut` are folders that others take care of. The logs that every system
 * has come first, whatever lies around them: a folder that somebody filled must not keep them out.
 */
export async function findLogs(
  context: DumpContext,
  folders: readonly string[],
  leaveOut: readonly string[] = [],
): Promise<FoundLogs> {
  const search = new Search(context, leaveOut);
  for (const folder of folders) await search.lookAtUsual(folder);
  const usual = search.files.splice(0);
  await search.visit(folders, 6);
  const newestFirst = (a: LogFile, b: LogFile): number => b.modifiedMs - a.modifiedMs;
  return { files: [...usual.sort(newestFirst), ...search.files.sort(newestFirst)], passed: search.passed };
}

class Search {
  readonly files: LogFile[] = [];
  readonly passed: string[] = [];
  readonly #context: DumpContext;
  readonly #leaveOut: readonly string[];
  readonly #seen = new Set<string>();

  constructor(context: DumpContext, leaveOut: readonly string[]) {
    this.#context = context;
    this.#leaveOut = leaveOut;
  }

  /** The files that most systems log to. One that is missing is no loss. */
  async lookAtUsual(folder: string): Promise<void> {
    const { machine, signal } = this.#context;
    for (const name of usualNames) {
      const path = machine.locate(`${folder}/${name}`);
      const isThere = await answered(lstat(path), path, signal).then(() => true, isLate);
      signal.throwIfAborted();
      if (isThere === "late") return; // it is said when the folder is visited
      if (isThere) await this.#look(`${folder}/${name}`, 0);
    }
  }

  /** Level by level, files before folders: so no deep folder takes all the room. */
  async visit(folders: readonly string[], depth: number): Promise<void> {
    const below: string[] = [];
    for (const folder of folders) {
      for (const name of this.#chosen(folder, await namesIn(this.#context, folder))) {
        if (this.files.length >= maxFiles) return void this.passed.push(`${folder}: more than ${maxFiles} files`);
        if (await this.#look(`${folder}/${name}`, depth)) below.push(`${folder}/${name}`);
      }
    }
    if (below.length > 0) await this.visit(below, depth - 1);
  }

  #chosen(folder: string, names: readonly string[]): readonly string[] {
    if (names.length <= maxPerFolder) return names;
    const half = maxPerFolder / 2;
    this.passed.push(`${folder}: of ${names.length} names only the first and the last ${half} were looked at`);
    return [...names.slice(0, half), ...names.slice(-half)];
  }

  /** Whether it is a folder that is to be visited; whatever else it is, it is dealt with. */
  async #look(name: string, depth: number): Promise<boolean> {
    const { machine, signal } = this.#context;
    if (this.#leaveOut.includes(name)) return false;
    const plain = machine.live ? name : machine.root.replace(/\/+$/, "") + name;
    try {
      const info = await answered(lstat(plain), name, signal);
      if (info.isDirectory()) {
        if (depth > 0) return true;
        this.passed.push(`${name}: too deep`);
      } else if (info.isSymbolicLink()) await this.#follow(name);
      else if (info.isFile()) await this.#take(name, plain);
      else this.passed.push(`${name}: not a file`);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof FileError) || error.state === "denied" || error.state === "timeout") {
        noteFailure(this.#context, name, error);
      } else this.passed.push(`${name}: ${error.message}`);
    }
    return false;
  }

  /** Container runtimes link `/var/log/pods/…/0.log` to their own folders; whoever links to /etc/shadow is refused. */
  async #follow(name: string): Promise<void> {
    const { machine, signal } = this.#context;
    const located = machine.locate(name);
    const target = machine.live ? await abortable(realpath(located), signal).catch(() => undefined) : located;
    if (target === undefined) return void this.passed.push(`${name}: a link to nothing`);
    const onMachine = machine.live ? target : target.slice(machine.root.replace(/\/+$/, "").length);
    if (!logPlaces.some((place) => onMachine.startsWith(place))) {
      this.passed.push(`${name}: a link to "${onMachine}", which is no place of logs`);
    } else if ((await abortable(lstat(target), signal)).isDirectory()) this.passed.push(`${name}: a link to a folder`);
    else await this.#take(name, target);
  }

  async #take(name: string, path: string): Promise<void> {
    if (binaryNames.test(name)) return void this.passed.push(`${name}: binary`);
    const file = await inspect(path, this.#context.signal);
    if (this.#seen.has(file.identity)) return;
    this.#seen.add(file.identity);
    this.files.push({ ...file, name });
  }
}

function isLate(error: unknown): "late" | false {
  return error instanceof FileError && error.state === "timeout" ? "late" : false;
}

const logPlaces = [
  "/var/log/",
  "/run/log/",
  "/var/lib/docker/containers/",
  "/var/lib/containers/",
  "/var/lib/containerd/",
  "/var/lib/rancher/",
  "/tmp/log/",
  "/data/log/",
];
const binaryNames =
  /(^|\/)((lastlog|wtmp|btmp|utmp|faillog|tallylog)([.-][\d.-]+(gz)?)?|[^/]*\.(journal~?|db|sqlite\d?|lock|pid|sock))$/;
/** As rsyslog, syslog-ng, busybox, the init systems and the kernel name them. */
const usualNames = [
  ..."messages syslog kern.log kern daemon.log dmesg auth.log secure boot.log cron user.log current errors.log".split(
    " ",
  ),
  ..."messages.1 syslog.1 messages.0 kern.log.1 daemon.log.1 everything.log local0.log debug".split(" "),
];
const maxFiles = 5_000;
const maxPerFolder = 1_000;
