/** A program whose output goes nowhere, and what it costs. Linux's /proc tells. */

/** What a run took. */
export interface Figures {
  /** From the start of the program. */
  readonly seconds: number;
  /** User and system time of all threads; exact to 10 ms. */
  readonly cpuSeconds: number;
  /** Peak of the resident set. */
  readonly peakMiB: number;
}

/** What doing nothing costs. */
export interface IdleFigures {
  readonly cpuPercent: number;
  readonly residentMiB: number;
  /** Pages shared with others counted by their share. */
  readonly proportionalMiB: number;
}

/** A program, sampled every 5 ms. Disposing it ends it by SIGTERM and waits. */
export class MeasuredProgram implements AsyncDisposable {
  readonly pid: number;
  readonly exited: Promise<void>;
  readonly #child: Deno.ChildProcess;
  readonly #startMs = performance.now();
  readonly #timer: ReturnType<typeof setInterval>;
  #figures: Figures = { seconds: 0, cpuSeconds: 0, peakMiB: 0 };

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.pid = child.pid;
    this.#timer = setInterval(() => this.#sample(), 5);
    this.exited = child.status.then(({ success, code }) => {
      this.#figures = { ...this.#figures, seconds: (performance.now() - this.#startMs) / 1_000 };
      clearInterval(this.#timer);
      if (!success) throw new Error(`the program ended with ${code}`);
    });
    this.exited.catch(() => {}); // told to whoever waits for it
  }

  /** Starts it; stdout goes to /dev/null. */
  static start(command: string, args: readonly string[]): MeasuredProgram {
    return new MeasuredProgram(
      new Deno.Command(command, { args: [...args], stdin: "null", stdout: "null", stderr: "null" }).spawn(),
    );
  }

  /** So far, or of the whole run once it has ended. */
  get figures(): Figures {
    this.#sample();
    return this.#figures;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    clearInterval(this.#timer);
  }

  #sample(): void {
    try {
      const stat = Deno.readTextFileSync(`/proc/${this.pid}/stat`);
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const peak = statusMiB(this.pid, "VmHWM");
      if (peak === 0) return; // a zombie
      this.#figures = {
        seconds: (performance.now() - this.#startMs) / 1_000,
        cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
        peakMiB: Math.max(peak, this.#figures.peakMiB),
      };
    } catch {
      // It has ended: the last sample stands.
    }
  }
}

/** CPU over some seconds after it has settled, exact to the nanosecond of the scheduler, and memory at the end. */
export async function idleOf(
  { pid }: { readonly pid: number },
  settleSeconds: number,
  seconds: number,
): Promise<IdleFigures> {
  await new Promise((resolve) => setTimeout(resolve, settleSeconds * 1_000));
  const before = threadTimes(pid);
  const startMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  const passedNs = (performance.now() - startMs) * 1e6;
  // A thread that ended meanwhile is not seen, one that began is.
  let usedNs = 0;
  for (const [thread, ns] of threadTimes(pid)) usedNs += ns - (before.get(thread) ?? 0);
  const rollup = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
  const mib = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(rollup)?.[1] ?? 0) / 1_024;
  return { cpuPercent: 100 * usedNs / passedNs, residentMiB: mib("Rss"), proportionalMiB: mib("Pss") };
}

/** How far the program has read an open file: the furthest of its descriptors; 0 where it has none. */
export function readOffset(pid: number, path: string): number {
  let offset = 0;
  try {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
      if (readLink(`/proc/${pid}/fd/${name}`) !== path) continue;
      const position = /^pos:\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/fdinfo/${name}`));
      offset = Math.max(offset, Number(position?.[1] ?? 0));
    }
  } catch {
    // It has not begun, or has closed a descriptor while we looked.
  }
  return offset;
}

function readLink(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}

function threadTimes(pid: number): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    try {
      times.set(name, Number(Deno.readTextFileSync(`/proc/${pid}/task/${name}/schedstat`).split(" ")[0]));
    } catch {
      // The thread has ended.
    }
  }
  return times;
}

function statusMiB(pid: number, key: string): number {
  const found = new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(Deno.readTextFileSync(`/proc/${pid}/status`));
  return Number(found?.[1] ?? 0) / 1_024;
}

/** USER_HZ of Linux. */
const ticksPerSecond = 100;
