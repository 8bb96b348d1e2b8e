/** A disk that can be filled: a tmpfs, so that nothing else suffers. */
import { match } from "node:assert/strict";
import { join } from "node:path";
import { runProgram } from "./process.ts";

/** A file system of 256 KiB, mounted at `path`. Dispose it to unmount. */
export class SmallDisk implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Mounts it; needs root. */
  static async mount(path: string): Promise<SmallDisk> {
    Deno.mkdirSync(path, { recursive: true });
    await runProgram("mount", ["-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", path]);
    return new SmallDisk(path);
  }

  /** Takes all the space there is. */
  fill(): void {
    using file = Deno.openSync(join(this.path, "filler"), { write: true, create: true });
    try {
      for (;;) file.writeSync(new Uint8Array(4096));
    } catch (error) {
      match(String(error), /No space left/);
    }
  }

  /** Gives back what `fill` took. */
  free(): void {
    Deno.removeSync(join(this.path, "filler"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await runProgram("umount", ["-l", this.path]);
  }
}
