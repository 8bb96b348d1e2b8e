/**
 * Standard output, written so that the count of every write is the truth. `Deno.stdout.writeSync` (and `node:fs` on
 * descriptor 1) go through a line buffer: where the descriptor is non-blocking and its reader slow, they fail with
 * EAGAIN after taking a part, the caller repeats, and lines are doubled without end. A parent can make our stdout
 * non-blocking at any time, for it shares the open file description. So a pipe is opened once more, as a description
 * of our own.
 */

/** Something that takes bytes and says how many. */
export interface ByteOutput {
  /** Bytes taken, at least one. @throws as write(2) fails; `Deno.errors.BrokenPipe` when nobody reads any more */
  writeSync(bytes: Uint8Array): number;
}

/**
 * Standard output of the process, not closed by anyone.
 * @throws when it is non-blocking and of a kind whose counts cannot be trusted (a socket)
 */
export function openExactStdout(): ByteOutput {
  const facts = readFacts();
  if (facts === undefined) return Deno.stdout;
  if (facts.isPipe || (facts.isNonBlocking && facts.isTerminal)) {
    try {
      return Deno.openSync(stdoutPath, { write: true });
    } catch {
      // Another user's pipe, or no permission for /proc: the descriptor itself will do while it blocks.
    }
  }
  if (!facts.isNonBlocking) return Deno.stdout;
  throw new Error("Cannot write stdout: it is non-blocking, so lines could be doubled\nTry: agent tap | cat");
}

function readFacts(): { isPipe: boolean; isTerminal: boolean; isNonBlocking: boolean } | undefined {
  try {
    const { isFifo, isCharDevice } = Deno.statSync(stdoutPath);
    const flags = /^flags:\s+([0-7]+)$/m.exec(Deno.readTextFileSync("/proc/self/fdinfo/1"))?.[1] ?? "0";
    const isNonBlocking = (parseInt(flags, 8) & nonBlockingFlag) !== 0 && isFifo !== null;
    return { isPipe: isFifo === true, isTerminal: isCharDevice === true, isNonBlocking };
  } catch {
    return undefined;
  }
}

const stdoutPath = "/proc/self/fd/1";
/** O_NONBLOCK on x86_64 and aarch64 Linux. */
const nonBlockingFlag = 0o4000;
