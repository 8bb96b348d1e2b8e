/** Says what a dump is doing: a bar for people, lines for programs. Never silent for two seconds while it works. */
import { formatDuration } from "../formats/duration.ts";
import type { GatherProgress } from "./runner.ts";

/** `bar` rewrites one line of a terminal. `lines` is the protocol. `none` says nothing. */
export type ProgressForm = "bar" | "lines" | "none";

/**
 * The progress of one dump. Lines: `BEGIN:path`, `PROGRESS:n/total:name` and at the end one of `OK:path`,
 * `INCOMPLETE:path`, `FAIL:text`.
 */
export class Progress implements GatherProgress, Disposable {
  readonly #form: ProgressForm;
  readonly #write: (text: string) => void;
  readonly #startMs = performance.now();
  readonly #running = new Set<string>();
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #done = 0;
  #total = 0;
  #phase = "starting";
  #isQuiet = false;

  /** @param write takes text for the terminal or the stream of lines */
  constructor(form: ProgressForm, write: (text: string) => void) {
    this.#form = form;
    this.#write = write;
    if (form !== "none") this.#timer = setInterval(() => this.#beat(), form === "bar" ? 250 : 1_500);
  }

  begin(path: string): void {
    if (this.#form === "lines") this.#line(`BEGIN:${path}`);
    else this.#beat();
  }

  total(count: number): void {
    this.#total = count;
    this.#phase = "";
    this.#beat();
  }

  started(id: string): void {
    this.#running.add(id);
    if (this.#form === "bar") this.#beat();
  }

  ended(id: string): void {
    this.#running.delete(id);
    this.#done++;
    if (this.#form === "lines") this.#line(`PROGRESS:${this.#done}/${this.#total}:${id}`);
    else this.#beat();
  }

  /** Says nothing until the next phase: somebody is asked something on the same terminal. */
  quiet(): void {
    this.#isQuiet = true;
    if (this.#form === "bar") this.#write("\r\x1b[K");
  }

  /** What it does after gathering, in a few words. */
  phase(name: string): void {
    this.#isQuiet = false;
    this.#phase = name;
    this.#running.clear();
    this.#beat();
  }

  /** The last word. */
  end(word: "OK" | "INCOMPLETE" | "FAIL", text: string): void {
    this[Symbol.dispose]();
    if (this.#form === "lines") this.#line(`${word}:${text}`);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    if (this.#form === "bar") this.#write("\r\x1b[K");
  }

  #beat(): void {
    if (this.#isQuiet) return;
    const doing = this.#phase === "" ? [...this.#running].join(", ") : this.#phase;
    if (this.#form === "lines") {
      if (this.#total > 0) this.#line(`PROGRESS:${this.#done}/${this.#total}:${doing}`);
    } else if (this.#form === "bar") {
      const width = 20;
      const full = this.#total === 0 ? 0 : Math.floor(width * this.#done / this.#total);
      const bar = "#".repeat(full) + "-".repeat(width - full);
      const time = formatDuration(performance.now() - this.#startMs);
      const text = `[${bar}] ${this.#done}/${this.#total} ${time} ${doing}`;
      this.#write(`\r\x1b[K${text.length > 100 ? text.slice(0, 99) + "…" : text}`);
    }
  }

  #line(text: string): void {
    this.#write(text.replaceAll(/[\r\n]+/g, " ") + "\n");
  }
}
