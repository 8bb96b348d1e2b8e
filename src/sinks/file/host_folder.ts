/**
 * The folder of one host, with its files in the order of writing.
 *
 * ```text
 *   DIR/router1/20261120T203000Z-0000.log      begun at that time (UTC); the last by name is the one being written
 *               20261121T000000Z-0000.log      nothing is ever renamed: a name means the same file for ever
 * ```
 *
 * Names never go backwards, even when the clock does.
 */
import { join } from "node:path";
import { syncFolder } from "../../system/atomic_file.ts";
import { OpenFile } from "./open_file.ts";

/** When a file gets a successor. */
export interface RotationLimits {
  readonly maxFileBytes: number;
  readonly maxAgeMs: number;
}

/** The files of one host. */
export class HostFolder {
  readonly #path: string;
  readonly #limits: RotationLimits;
  #lastName: string;
  #file: OpenFile | undefined;

  /** Makes the folder where it is missing and finds its newest file. */
  constructor(parent: string, host: string, limits: RotationLimits) {
    this.#path = join(parent, host);
    this.#limits = limits;
    Deno.mkdirSync(this.#path, { recursive: true, mode: 0o750 });
    syncFolder(parent);
    this.#lastName =
      [...Deno.readDirSync(this.#path)].map(({ name }) => name).filter((name) => fileName.test(name)).sort().at(-1) ??
        "";
  }

  /** The file that `bytes` more are to be written to; the one before it is in `retired` when there is a new one. */
  fileFor(bytes: number, nowMs: number): { file: OpenFile; retired: OpenFile | undefined } {
    const current = this.#file ?? this.#resume(nowMs);
    if (current !== undefined && !this.#isFull(current, bytes, nowMs)) {
      this.#file = current;
      return { file: current, retired: undefined };
    }
    this.#file = undefined;
    if (current !== undefined) current.retired = true;
    this.#lastName = nextName(this.#lastName, nowMs);
    this.#file = OpenFile.create(join(this.#path, this.#lastName), nowMs);
    return { file: this.#file, retired: current };
  }

  /** Lets go of the current file, if any; the next line opens a file anew. */
  letGo(): OpenFile | undefined {
    const file = this.#file;
    this.#file = undefined;
    return file;
  }

  /** Never goes on with a file whose sync failed. */
  abandon(file: OpenFile): void {
    if (this.#file !== file) return;
    this.#file = undefined;
    this.#lastName = nextName(this.#lastName, Date.now());
  }

  #resume(nowMs: number): OpenFile | undefined {
    const path = join(this.#path, this.#lastName);
    if (this.#lastName === "" || !exists(path)) return undefined;
    return OpenFile.resume(path, Math.min(nowMs, begunMs(this.#lastName)));
  }

  #isFull(file: OpenFile, bytes: number, nowMs: number): boolean {
    return file.bytes > 0 &&
      (file.bytes + bytes > this.#limits.maxFileBytes || nowMs - file.begunMs >= this.#limits.maxAgeMs);
  }
}

/** A name for a file begun now that sorts behind `last`. */
export function nextName(last: string, nowMs: number): string {
  const stamp = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z").replaceAll(/[-:]/g, "");
  const lastStamp = last.slice(0, 16);
  if (stamp > lastStamp) return `${stamp}-0000.log`;
  return `${lastStamp}-${String(Number(last.slice(17, -4)) + 1).padStart(4, "0")}.log`;
}

function begunMs(name: string): number {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(name)!;
  return Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

const fileName = /^\d{8}T\d{6}Z-\d{4,}\.log$/;
