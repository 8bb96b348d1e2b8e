/**
 * A disk in memory that writes down everything asked of it, and builds from the record any disk that a power cut may
 * leave behind: what was synced is there; whatever was not is there, missing, torn between sectors or zeros, each write
 * and each folder entry for itself.
 */
import type { SpoolFile, SpoolFiles } from "../../src/spool/files.ts";

/** What became of a write that no fsync covers. */
export type Fate = "present" | "absent" | "torn" | "zeros";

/** Decides the fate of the next one. */
export type Chooser = () => Fate;

type Op =
  | { readonly kind: "create" | "remove"; readonly name: string; readonly file: number }
  | { readonly kind: "write"; readonly file: number; readonly at: number; readonly data: Uint8Array }
  | { readonly kind: "truncate"; readonly file: number; readonly size: number }
  /** Everything about the file (undefined: the folder) before operation `upTo` is durable from here on. */
  | { readonly kind: "synced"; readonly file: number | undefined; readonly upTo: number }
  /** A word of the test: not an operation. */
  | { readonly kind: "mark"; readonly text: string };

/** Implements the spool's file layer in memory. */
export class RecordingDisk implements SpoolFiles {
  readonly ops: Op[] = [];
  readonly #contents: Uint8Array[] = [];
  readonly #sizes: number[] = [];
  readonly #names = new Map<string, number>();
  readonly #pause: () => Promise<void>;

  /** @param pause how long an fsync takes */
  constructor(
    pause: () => Promise<void> = () => Promise.resolve(),
    image: ReadonlyMap<string, Uint8Array> = new Map(),
  ) {
    this.#pause = pause;
    for (const [name, content] of image) {
      this.#names.set(name, this.#contents.length);
      this.#contents.push(content);
      this.#sizes.push(content.length);
    }
  }

  /** Notes what the test knows at this moment. */
  mark(text: string): void {
    this.ops.push({ kind: "mark", text });
  }

  makeFolder(): void {}

  list(): readonly string[] {
    return [...this.#names.keys()];
  }

  create(name: string): SpoolFile {
    if (this.#names.has(name)) throw new Deno.errors.AlreadyExists(name);
    const file = this.#contents.length;
    this.#contents.push(new Uint8Array(256));
    this.#sizes.push(0);
    this.#names.set(name, file);
    this.ops.push({ kind: "create", name, file });
    return this.#handle(file);
  }

  open(name: string): SpoolFile {
    const file = this.#names.get(name);
    if (file === undefined) throw new Deno.errors.NotFound(name);
    return this.#handle(file);
  }

  openToWrite(name: string): SpoolFile {
    return this.open(name);
  }

  remove(name: string): void {
    const file = this.#names.get(name);
    if (file === undefined) return;
    this.#names.delete(name);
    this.ops.push({ kind: "remove", name, file });
  }

  async syncFolder(): Promise<void> {
    const upTo = this.ops.length;
    await this.#pause();
    this.ops.push({ kind: "synced", file: undefined, upTo });
  }

  space(): { readonly freeBytes: number; readonly totalBytes: number } {
    return { freeBytes: Infinity, totalBytes: Infinity };
  }

  /** The files as a power cut after the first `length` operations may leave them. */
  image(length: number, choose: Chooser): Map<string, Uint8Array> {
    const durable = this.#durableUpTo(length);
    const names = new Map<string, number>();
    const contents = new Map<number, Uint8Array>();
    this.ops.slice(0, length).forEach((op, i) => {
      if (op.kind === "mark" || op.kind === "synced") return;
      const isEntry = op.kind === "create" || op.kind === "remove";
      const fate = i < (durable.get(isEntry ? undefined : op.file) ?? 0) ? "present" : choose();
      if (op.kind === "create" && fate !== "absent") names.set(op.name, op.file);
      if (op.kind === "remove" && fate !== "absent") names.delete(op.name);
      const content = contents.get(op.kind === "create" ? -1 : op.file) ?? new Uint8Array();
      if (op.kind === "truncate" && fate !== "absent") contents.set(op.file, content.slice(0, op.size));
      if (op.kind === "write") contents.set(op.file, written(content, op.at, op.data, fate));
    });
    return new Map([...names].map(([name, file]) => [name, contents.get(file) ?? new Uint8Array()]));
  }

  #durableUpTo(length: number): Map<number | undefined, number> {
    const durable = new Map<number | undefined, number>();
    for (const op of this.ops.slice(0, length)) {
      if (op.kind === "synced") durable.set(op.file, Math.max(op.upTo, durable.get(op.file) ?? 0));
    }
    return durable;
  }

  #handle(file: number): SpoolFile {
    const [ops, contents, sizes, pause] = [this.ops, this.#contents, this.#sizes, this.#pause];
    return {
      get sizeBytes(): number {
        return sizes[file]!;
      },
      readAt: (into, offset) => {
        const part = contents[file]!.subarray(offset, Math.min(sizes[file]!, offset + into.length));
        into.set(part);
        return part.length;
      },
      writeAt: (bytes, offset) => {
        const end = offset + bytes.length;
        if (end > contents[file]!.length) {
          const grown = new Uint8Array(2 * end);
          grown.set(contents[file]!);
          contents[file] = grown;
        }
        contents[file]!.set(bytes, offset);
        sizes[file] = Math.max(sizes[file]!, end);
        ops.push({ kind: "write", file, at: offset, data: bytes.slice() });
      },
      truncate: (size) => {
        sizes[file] = size;
        ops.push({ kind: "truncate", file, size });
      },
      sync: async () => {
        const upTo = ops.length;
        await pause();
        ops.push({ kind: "synced", file, upTo });
      },
      close: () => {},
    };
  }
}

function written(content: Uint8Array, at: number, data: Uint8Array, fate: Fate): Uint8Array {
  if (fate === "absent") return content;
  // A write tears where a sector ends: the sectors before that are there, those behind it are not.
  const sectorEnd = Math.max(0, Math.floor((at + data.length / 2) / sectorBytes) * sectorBytes - at);
  const part = fate === "torn" ? data.subarray(0, Math.min(data.length, sectorEnd)) : data;
  const result = new Uint8Array(Math.max(content.length, at + part.length));
  result.set(content);
  if (fate === "zeros") result.fill(0, at, at + part.length);
  else result.set(part, at);
  return result;
}

const sectorBytes = 512;
