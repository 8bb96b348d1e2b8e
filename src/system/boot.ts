/** When this machine was started: what times since boot, and times from before the clock was set, are counted from. */

/** Milliseconds since the machine was started, by CLOCK_BOOTTIME (sleep included); resolution 10 ms. */
function readUptimeMs(): number {
  return Number(Deno.readTextFileSync("/proc/uptime").split(" ")[0]) * 1_000;
}

/** The name of this run of the kernel: another after each start. */
export function readBootId(): string {
  return Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
}

/**
 * The wall clock at boot. Asked again and again it stays the same to the microsecond, so that times made from it keep
 * their distances, until the clock is set or the machine sleeps: a difference of a second and more is followed.
 */
export class BootClock {
  readonly #nowMs: () => number;
  readonly #uptimeMs: () => number;
  #bootAtMs: number;

  /** @param nowMs the wall clock, milliseconds since 1970 @param uptimeMs milliseconds since boot */
  constructor(nowMs: () => number = Date.now, uptimeMs: () => number = readUptimeMs) {
    this.#nowMs = nowMs;
    this.#uptimeMs = uptimeMs;
    this.#bootAtMs = nowMs() - uptimeMs();
  }

  /** Milliseconds since 1970, as far as it is known now. */
  bootAtMs(): number {
    const bootAtMs = this.#nowMs() - this.#uptimeMs();
    if (Math.abs(bootAtMs - this.#bootAtMs) >= 1_000) this.#bootAtMs = bootAtMs;
    return this.#bootAtMs;
  }

  /** The wall clock now. */
  nowMs(): number {
    return this.#nowMs();
  }
}
