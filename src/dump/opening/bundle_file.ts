/** A bundle as it lies somewhere: it can be read from its beginning, again and again, one reading at a time. */
import { join } from "node:path";
import { failure } from "../../pipeline/errors.ts";
import { removeIfThere, writeAllSync } from "../../system/atomic_file.ts";

/** The bytes of a bundle. Disposed by whoever opened it. */
export interface BundleFile extends Disposable {
  /** Path or address, for messages; not escaped. */
  readonly name: string;
  read(): AsyncIterable<Uint8Array>;
}

/** A file on disk. @throws when it cannot be read */
export function openBundleFile(path: string): BundleFile {
  try {
    return fileOf(path, Deno.openSync(path, { read: true }));
  } catch (error) {
    throw failure("open", `"${path}"`, error);
  }
}

/** Keeps a stream in a file without a name, which goes when it is disposed or the process ends. @throws on a full disk */
export async function keepStream(
  name: string,
  content: AsyncIterable<Uint8Array>,
  folder: string,
  maxBytes: number,
): Promise<BundleFile> {
  const path = join(folder, `agent-open-${crypto.randomUUID()}`);
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { read: true, write: true, createNew: true, mode: 0o600 });
    removeIfThere(path);
  } catch (error) {
    throw failure("use folder", `"${folder}"`, error, "TMPDIR=FOLDER with room");
  }
  try {
    let count = 0;
    for await (const bytes of content) {
      count += bytes.length;
      if (count > maxBytes) throw new Error(`it has more than ${maxBytes} bytes`);
      writeAllSync(file, bytes);
    }
    return fileOf(name, file);
  } catch (error) {
    file.close();
    throw failure("fetch", `"${name}"`, error);
  }
}

function fileOf(name: string, file: Deno.FsFile): BundleFile {
  return {
    name,
    async *read(): AsyncGenerator<Uint8Array> {
      for (let at = 0;;) {
        const bytes = new Uint8Array(128 * 1024);
        await file.seek(at, Deno.SeekMode.Start);
        const count = await file.read(bytes);
        if (count === null) return;
        at += count;
        yield bytes.subarray(0, count);
      }
    },
    [Symbol.dispose]: () => file.close(),
  };
}
