/**
 * From a line with a TAI64N label to a syslog record with its time.
 *
 * ```text
 *   @4000…  text      <13>2026-11-20T20:30:00.123456+00:00 router1 console: text
 *   @4000…  text      <13>1 2026-11-20T20:30:00.123Z router1 console - - [timeQuality tzKnown="1" isSynced="0"][agent@0 time="estimated"] text
 * ```
 *
 * The second form is that of lines written before the clock was set, which begins in 1970 where there is no battery: such
 * a stamp tells the time since boot, and boot is counted back from now. Structured data keeps the message as it was;
 * `timeQuality` is the element that RFC 5424 section 7.1 has for it, the other one is for people who search.
 */
import { encodeElement, encodeSyslogHeader, type SyslogFields } from "../../formats/syslog_encode.ts";
import { readTai64n, type TaiKind, taiLabelBytes } from "../../formats/tai64n.ts";
import type { BootClock } from "../../system/boot.ts";
import { isClockSet } from "../../system/clock.ts";

/** What headers are made of. */
export interface StampOptions {
  readonly hostname: string;
  readonly program: string;
  /** Facility × 8 + severity. */
  readonly priority: number;
  /** Whose labels they are. */
  readonly tai: TaiKind;
  readonly clock: BootClock;
}

/** Makes headers of labels. */
export class Stamps {
  readonly #options: StampOptions;
  readonly #common: Omit<SyslogFields, "timeMs">;

  constructor(options: StampOptions) {
    this.#options = options;
    this.#common = { priority: options.priority, host: options.hostname, program: options.program };
  }

  /** Time of the label at `at`, as written; undefined where none stands, or where it does not end with a space or the line. */
  timeAt(bytes: Uint8Array, at: number, end: number): number | undefined {
    const behind = at + taiLabelBytes;
    if (behind > end || (behind < end && bytes[behind] !== space)) return undefined;
    return readTai64n(bytes, at, end, this.#options.tai);
  }

  /** Whether the time is one of a clock that was not set, and ours is not either: waiting may help. */
  mustWait(timeMs: number): boolean {
    return timeMs < firstTrueMs && !isClockSet(this.#options.clock.nowMs());
  }

  /** The header for a record of this time. */
  header(timeMs: number): Uint8Array {
    if (timeMs >= firstTrueMs) return encodeSyslogHeader("forward", { ...this.#common, timeMs });
    return encodeSyslogHeader("rfc5424", { ...this.#common, timeMs: this.#estimateMs(timeMs), data: estimatedData });
  }

  /** A second earlier than counted, so that no line from before seems later than the first live one. */
  #estimateMs(timeMs: number): number {
    const { clock } = this.#options;
    return Math.min(clock.nowMs(), clock.bootAtMs() - 1_000 + Math.max(0, timeMs));
  }
}

/** No log is older than Linux: stamps before it are of clocks that begin in 1970. Milliseconds since 1970. */
const firstTrueMs = Date.UTC(1991, 8, 17);
const estimatedData = encodeElement("timeQuality", { tzKnown: "1", isSynced: "0" }) +
  encodeElement("agent@0", { time: "estimated" });
const space = 32;
