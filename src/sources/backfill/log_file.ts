/** One file of a log directory, held open: renamed or removed, it stays readable to its end. */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { failure } from "../../pipeline/errors.ts";

/** An open regular file. Closed by whoever opened it. */
export class LogFile {
  readonly path: string;
  /** Name in its folder at the time of opening. */
  readonly name: string;
  /** `device:inode`, the same under every name. */
  readonly key: string;
  readonly #fd: number;
  #open = true;

  private constructor(path: string, name: string, key: string, fd: number) {
    this.path = path;
    this.name = name;
    this.key = key;
    this.#fd = fd;
  }

  /**
   * Opens a regular file; undefined where there is none, or something else (a FIFO must not hold us up).
   * @param followLink whether a symbolic link may lead there
   * @throws where it cannot be opened for any other reason
   */
  static open(path: string, name: string, followLink: boolean): LogFile | undefined {
    const flags = constants.O_RDONLY | constants.O_NONBLOCK | (followLink ? 0 : constants.O_NOFOLLOW);
    let fd: number;
    try {
      fd = openSync(path, flags);
    } catch (error) {
      const code = (error as { code?: string }).code;
      if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP" || code === "ENXIO") return undefined;
      throw failure("read", `log "${path}"`, error);
    }
    const info = fstatSync(fd);
    if (info.isFile()) return new LogFile(path, name, keyOf(info), fd);
    closeSync(fd);
    return undefined;
  }

  get sizeBytes(): number {
    return fstatSync(this.#fd).size;
  }

  /** The owner's execute bit: s6-log and multilog set it on what is complete. */
  get isClosedByWriter(): boolean {
    return (fstatSync(this.#fd).mode & 0o100) !== 0;
  }

  /** Reads at `offset` into `buffer[from..)`; 0 at the end of the file. @throws when reading fails */
  read(buffer: Uint8Array, from: number, offset: number): number {
    try {
      return from >= buffer.length ? 0 : readSync(this.#fd, buffer, from, buffer.length - from, offset);
    } catch (error) {
      throw failure("read", `log "${this.path}"`, error);
    }
  }

  /** `length` bytes at `offset`, fewer at the end of the file. */
  peek(offset: number, length: number): Uint8Array {
    const buffer = new Uint8Array(length);
    let got = 0;
    while (got < length) {
      const more = this.read(buffer, got, offset + got);
      if (more === 0) break;
      got += more;
    }
    return buffer.subarray(0, got);
  }

  /** May be called more than once. */
  close(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }
}

/** The key of a file that was looked at. */
export function keyOf(info: Pick<Stats, "dev" | "ino">): string {
  return `${info.dev}:${info.ino}`;
}
