/**
 * What the program does when it is started as a worker thread of itself. A thread is the main module again and not a
 * file of its own, so that it is there however the program was packed: run from source, compiled, or bundled.
 */

/** Runs the part that was asked for by the worker's name. @throws when there is no such part */
export async function runThread(name: string): Promise<void> {
  const { copyThreadName, runCopyThread } = await import("../sources/tap/copy_thread.ts");
  if (name !== copyThreadName) throw new Error(`Cannot start thread "${name}": there is none of that name`);
  runCopyThread();
}
