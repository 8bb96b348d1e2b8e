/**
 * Pages of the program's own file that only the start needed: relocations, the runtime's snapshot, the code of parsers and
 * compilers. With each page that is touched the kernel maps the 15 around it, and it takes none back while memory is free, so
 * that two thirds of what `ps` shows of a waiting agent is a file that lies in the page cache anyway.
 *
 * They are unmapped, not lost: what is needed again is mapped again from the page cache, and a kernel that is short of memory
 * may forget them sooner. Memory that is ours alone is never touched.
 */

/** A stretch of the address space. */
export interface Mapping {
  readonly address: bigint;
  readonly bytes: bigint;
}

/**
 * The mappings of the file `path` that hold nothing but the file: not writable, and no page of them was ever changed
 * (relocated data is read-only, too, and must stay).
 * @param smaps text of `/proc/PID/smaps` (proc(5))
 */
export function cleanMappings(smaps: string, path: string): readonly Mapping[] {
  const found: Mapping[] = [];
  let candidate: Mapping | undefined;
  for (const line of smaps.split("\n")) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) .(.)\S* \S+ \S+ \S+\s*(.*)$/.exec(line);
    if (head !== null) {
      const [address, end] = [BigInt(`0x${head[1]}`), BigInt(`0x${head[2]}`)];
      candidate = head[3] === "-" && head[4] === path ? { address, bytes: end - address } : undefined;
    } else if (candidate !== undefined && /^Anonymous:\s+0 kB$/.test(line)) found.push(candidate);
  }
  return found;
}

/**
 * Unmaps the program's clean pages now and from time to time, for what comes then leaves some as well: often while the start
 * settles (its last act is the engine's own collection, half a minute later), every ten minutes afterwards. Until it is
 * disposed.
 */
export function keepProgramPagesFew(): Disposable {
  let timer: ReturnType<typeof setTimeout>;
  const release = (pauseMs: number): void => {
    releaseProgramPages();
    timer = setTimeout(() => release(Math.min(2 * pauseMs, maxPauseMs)), pauseMs);
  };
  release(firstPauseMs);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** Unmaps the program's clean pages. Where that cannot be asked for (another C library), nothing happens. */
export function releaseProgramPages(): void {
  try {
    const mappings = cleanMappings(Deno.readTextFileSync("/proc/self/smaps"), Deno.execPath());
    const libc = Deno.dlopen("libc.so.6", { madvise: { parameters: ["pointer", "usize", "i32"], result: "i32" } });
    for (const { address, bytes } of mappings) {
      libc.symbols.madvise(Deno.UnsafePointer.create(address), bytes, dontNeed);
    }
    libc.close();
  } catch {
    // Only what `ps` shows is the larger for it.
  }
}

/** MADV_DONTNEED of madvise(2), the same on all machines that we run on. */
const dontNeed = 4;
const firstPauseMs = 10_000;
const maxPauseMs = 600_000;
