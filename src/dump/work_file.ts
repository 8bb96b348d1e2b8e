/**
 * Where a dump keeps what it gathered until the bundle is written: one file that has no name. It is removed from its
 * folder the moment it is open, so that the kernel frees it however the process ends, and every block in it is encrypted
 * with a key that is only in memory (AES-256-CTR), so that even the disk's free blocks tell nothing.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { failure } from "../pipeline/errors.ts";
import { freeAfter } from "./memory.ts";

/** Bytes that were kept; they can be read any number of times while the work file is open. */
export interface KeptBytes {
  readonly sizeBytes: number;
  read(): AsyncIterable<Uint8Array>;
}

/** Takes bytes in order. */
export interface Keeper {
  /** @throws when the disk is full, naming the folder */
  write(bytes: Uint8Array): void;
  end(): KeptBytes;
}

/** The file, or memory of at most `maxMemoryBytes` where no folder can be written. Several keepers may write at once. */
export class WorkFile implements Disposable {
  readonly #store: BlockStore;
  readonly #key = randomBytes(32);
  readonly #iv = randomBytes(8);
  #end = 0;

  private constructor(store: BlockStore) {
    this.#store = store;
  }

  /** A nameless file in `folder`. @throws when it cannot be made */
  static inFolder(folder: string): WorkFile {
    const path = join(folder, `.agent-dump-${crypto.randomUUID()}`);
    try {
      const descriptor = openSync(path, "wx+", 0o600);
      unlinkSync(path);
      return new WorkFile(new FileStore(descriptor, folder));
    } catch (error) {
      throw failure("keep what is gathered in", `folder "${folder}"`, error, "TMPDIR=FOLDER with room");
    }
  }

  /** No file at all: for machines without a folder that takes anything. */
  static inMemory(maxMemoryBytes: number): WorkFile {
    return new WorkFile(new MemoryStore(maxMemoryBytes));
  }

  keep(): Keeper {
    const extents: Extent[] = [];
    let block = new Uint8Array(firstBytes); // thousands of small files must not cost a block each
    let filled = 0;
    const flush = (): void => {
      if (filled > 0) extents.push(this.#put(block.subarray(0, filled)));
      filled = 0;
    };
    return {
      write: (bytes) => {
        if (block.length < blockBytes && filled + bytes.length > block.length) {
          const larger = new Uint8Array(blockBytes);
          larger.set(block.subarray(0, filled));
          block = larger;
        }
        for (let done = 0; done < bytes.length;) {
          const part = bytes.subarray(done, done + block.length - filled);
          block.set(part, filled);
          filled += part.length;
          done += part.length;
          if (filled === block.length) flush();
        }
      },
      end: () => {
        flush();
        const sizeBytes = extents.reduce((sum, { length }) => sum + length, 0);
        return { sizeBytes, read: () => this.#read(extents) };
      },
    };
  }

  /** Bytes on disk, or in memory. */
  get usedBytes(): number {
    return this.#end;
  }

  [Symbol.dispose](): void {
    this.#key.fill(0);
    this.#store.close();
  }

  #put(plain: Uint8Array): Extent {
    const offset = this.#end;
    this.#end += Math.ceil(plain.length / 16) * 16; // the next extent begins a new counter: none is used twice
    const cipher = createCipheriv("aes-256-ctr", this.#key, this.#counter(offset));
    this.#store.write(cipher.update(plain), offset);
    freeAfter(plain.length);
    return { offset, length: plain.length };
  }

  async *#read(extents: readonly Extent[]): AsyncGenerator<Uint8Array> {
    for (const { offset, length } of extents) {
      const decipher = createDecipheriv("aes-256-ctr", this.#key, this.#counter(offset));
      freeAfter(length);
      yield decipher.update(this.#store.read(offset, length));
    }
  }

  #counter(offset: number): Uint8Array {
    const counter = new Uint8Array(16);
    counter.set(this.#iv);
    new DataView(counter.buffer).setBigUint64(8, BigInt(offset / 16));
    return counter;
  }
}

interface Extent {
  readonly offset: number;
  readonly length: number;
}

interface BlockStore {
  write(bytes: Uint8Array, offset: number): void;
  /** Valid until the next call. */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

class FileStore implements BlockStore {
  readonly #descriptor: number;
  readonly #folder: string;
  readonly #buffer = new Uint8Array(blockBytes);

  constructor(descriptor: number, folder: string) {
    this.#descriptor = descriptor;
    this.#folder = folder;
  }

  write(bytes: Uint8Array, offset: number): void {
    try {
      for (let done = 0; done < bytes.length;) {
        done += writeSync(this.#descriptor, bytes, done, bytes.length - done, offset + done);
      }
    } catch (error) {
      throw new WorkFullError(
        `Cannot keep what is gathered in folder "${this.#folder}" (${offset} bytes so far): ${
          (error as Error).message
        }` +
          "\nTry: TMPDIR=FOLDER with more room, --profile speed, or --since 2h",
        { cause: error },
      );
    }
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = this.#buffer.subarray(0, length);
    for (let done = 0; done < length;) {
      const n = readSync(this.#descriptor, bytes, done, length - done, offset + done);
      if (n === 0) throw new Error(`Cannot read back what was gathered in folder "${this.#folder}": it is shorter`);
      done += n;
    }
    return bytes;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

class MemoryStore implements BlockStore {
  readonly #maxBytes: number;
  readonly #blocks = new Map<number, Uint8Array>();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  write(bytes: Uint8Array, offset: number): void {
    if (offset + bytes.length > this.#maxBytes) {
      throw new WorkFullError(
        `Cannot keep what is gathered in memory: more than ${this.#maxBytes} bytes, and no folder can be written` +
          "\nTry: TMPDIR=FOLDER with room, or --profile speed",
      );
    }
    this.#blocks.set(offset, bytes);
  }

  read(offset: number): Uint8Array {
    return this.#blocks.get(offset)!;
  }

  close(): void {
    this.#blocks.clear();
  }
}

/** There is no room for what is gathered: the dump ends, it does not go on with holes that nobody sees. */
export class WorkFullError extends Error {
  override readonly name = "WorkFullError";
}

const firstBytes = 4 * 1024;
const blockBytes = 64 * 1024;
