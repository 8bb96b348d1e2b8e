/** One owner per folder (invariant 9): an flock(2) that the kernel lets go of when the process dies, however it dies. */
import { join } from "node:path";
import { failure } from "../pipeline/errors.ts";

/** The lock of a folder; let go by `dispose` or by the end of the process. */
export interface FolderLock extends Disposable {
  readonly path: string;
}

/**
 * Makes the folder where it is missing (mode 0700) and locks it.
 * @throws when another process holds it, with that process's id
 */
export function lockFolder(folder: string): FolderLock {
  const path = join(folder, "lock");
  const file = openLockFile(folder, path);
  if (!file.tryLockSync(true)) {
    const owner = Deno.readTextFileSync(path).trim();
    file.close();
    throw new Error(
      `Cannot use folder "${folder}": it is held by another agent (process ${owner === "" ? "unknown" : owner})\n` +
        "Try: stop that agent, or name another folder with --state or the key state",
    );
  }
  file.truncateSync(0);
  file.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
  return { path, [Symbol.dispose]: () => file.close() };
}

function openLockFile(folder: string, path: string): Deno.FsFile {
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    return Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    throw failure(
      "use",
      `folder "${folder}"`,
      error,
      "make it writable, or name another with --state or the key state",
    );
  }
}

/**
 * Locks a folder without leaving a file in it: flock(2) of the folder itself. For folders that belong to the user.
 * @throws when another process holds it
 */
export function lockFolderItself(folder: string): Disposable {
  try {
    Deno.mkdirSync(folder, { recursive: true });
    const handle = Deno.openSync(folder, { read: true });
    if (handle.tryLockSync(true)) return { [Symbol.dispose]: () => handle.close() };
    handle.close();
  } catch (error) {
    throw failure("write to", `folder "${folder}"`, error, "make it writable, or name another");
  }
  throw new Error(
    `Cannot write to folder "${folder}": another agent writes to it\nTry: stop that agent, or name another folder`,
  );
}
