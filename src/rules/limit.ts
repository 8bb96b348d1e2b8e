/** Rate limits: so many records per interval, and a notice of what was suppressed. Pure: the time comes from outside. */
import { formatDuration } from "../formats/duration.ts";
import type { LimitSpec } from "./spec.ts";

/** Counts the records of one rule towards one sink. Its memory is bounded: the thousandth key shares its count. */
export class Limiter {
  readonly #rule: string;
  readonly #spec: LimitSpec;
  readonly #windows = new Map<string, Window>();
  #suppressedKeys = 0;
  #suppressed = 0;

  /** @param rule name of the rule, for the notices */
  constructor(rule: string, spec: LimitSpec) {
    this.#rule = rule;
    this.#spec = spec;
  }

  /** Records suppressed so far. */
  get suppressed(): number {
    return this.#suppressed;
  }

  /**
   * Whether a record of `key` may pass at `nowMs`. A clock that jumps back begins a new interval.
   * @param notices gets a line when an interval ended in which records were suppressed
   */
  allows(key: string, nowMs: number, notices: string[]): boolean {
    const window = this.#window(key, nowMs);
    if (nowMs < window.startMs || nowMs >= window.startMs + this.#spec.perMs) {
      this.#announce(window, notices);
      window.startMs = nowMs;
      window.passed = 0;
    }
    if (window.passed < this.#spec.records) {
      window.passed++;
      return true;
    }
    if (window.suppressed++ === 0) this.#suppressedKeys++;
    this.#suppressed++;
    return false;
  }

  /** Announces what was suppressed in intervals that are over; with `nowMs` = Infinity in all. */
  takeNotices(nowMs: number, notices: string[]): void {
    if (this.#suppressedKeys === 0) return;
    for (const window of this.#windows.values()) {
      if (nowMs < window.startMs || nowMs >= window.startMs + this.#spec.perMs) this.#announce(window, notices);
    }
  }

  #window(key: string, nowMs: number): Window {
    const known = this.#windows.get(key);
    if (known !== undefined) return known;
    if (this.#windows.size >= maxKeys) this.#forgetIdle(nowMs);
    const name = this.#windows.size >= maxKeys ? "others" : key;
    const window = this.#windows.get(name) ?? { key: name, startMs: nowMs, passed: 0, suppressed: 0 };
    this.#windows.set(name, window);
    return window;
  }

  #forgetIdle(nowMs: number): void {
    if (nowMs < this.#forgetAgainMs) return;
    this.#forgetAgainMs = nowMs + this.#spec.perMs;
    for (const [key, window] of this.#windows) {
      if (window.suppressed === 0 && nowMs >= window.startMs + this.#spec.perMs) this.#windows.delete(key);
    }
  }

  /** Looking through all keys is done once per interval at the most. */
  #forgetAgainMs = -Infinity;

  #announce(window: Window, notices: string[]): void {
    if (window.suppressed === 0) return;
    const of = this.#spec.by === undefined ? "" : ` of ${this.#spec.by} ${printable(window.key)}`;
    const limit = `${this.#spec.records} per ${formatDuration(this.#spec.perMs)}`;
    notices.push(
      `agent: gap of ${window.suppressed} records${of}: suppressed by the limit of ${this.#rule} (${limit})`,
    );
    window.suppressed = 0;
    this.#suppressedKeys--;
  }
}

interface Window {
  readonly key: string;
  startMs: number;
  passed: number;
  suppressed: number;
}

function printable(text: string): string {
  return `"${text.slice(0, 64).replaceAll(/[^ -~]|["\\]/g, "_")}"`;
}

const maxKeys = 1_000;
