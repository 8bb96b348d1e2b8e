/** Says what a dump is doing: a bar for people, lines for programs. Never silent for two seconds while it works. */
import { formatDuration } from "../formats/duration.ts";
import type { GatherProgress } from "./runner.ts";
import { type Bar, openBar } from "./terminal.ts";

/** `bar` is drawn on the terminal that stderr is. `lines` is the protocol. `none` says nothing. */
export type ProgressForm = "bar" | "lines" | "none";

/**
 * The progress of one dump. Lines: `BEGIN:path`, `PROGRESS:n/total:name` and at the end one of `OK:path`,
 * `INCOMPLETE:path`, `FAIL:text`.
 */
export class Progress implements GatherProgress, Disposable {
  readonly #write: (text: string) => void;
  readonly #startMs = performance.now();
  readonly #running = new Set<string>();
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #form: ProgressForm;
  #bar: Bar | undefined;
  #done = 0;
  #total = 0;
  #phase = "starting";
  #isQuiet = false;

  /**
   * @param write takes text for the stream of lines
   * @param open makes the bar; where it cannot, there are lines instead
   */
  constructor(
    form: ProgressForm,
    write: (text: string) => void,
    open: () => Promise<Bar> = () => openBar("dump", "raw"),
  ) {
    this.#form = form;
    this.#write = write;
    if (form !== "none") this.#timer = setInterval(() => this.#beat(), form === "bar" ? 250 : 1_500);
    if (form === "bar") void open().then((bar) => this.#use(bar), () => this.#form = "lines");
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
    this.#bar?.hide();
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
    this.quiet();
  }

  /** It comes while the dump is already under way, or even at its end. */
  #use(bar: Bar): void {
    this.#bar = bar;
    this.#beat();
  }

  #beat(): void {
    if (this.#isQuiet) return;
    const doing = this.#phase === "" ? [...this.#running].join(", ") : this.#phase;
    if (this.#form === "lines") {
      if (this.#total > 0) this.#line(`PROGRESS:${this.#done}/${this.#total}:${doing}`);
    } else {
      // The time makes each of them another text: the bar writes nothing where nothing changed.
      const time = formatDuration(performance.now() - this.#startMs);
      this.#bar?.show(this.#done, this.#total, `${time} ${doing}`);
    }
  }

  #line(text: string): void {
    this.#write(text.replaceAll(/[\r\n]+/g, " ") + "\n");
  }
}
