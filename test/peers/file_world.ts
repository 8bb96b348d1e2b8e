/**
 * A folder of logs that all kinds of rotation happen to, and what is known of every line: in which content it was written,
 * and whether it has to arrive. Each line is `content C line N` and padding. All is synchronous: what happens between two
 * `await`s happens between two looks of a source in the same thread.
 */
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { append } from "./file_reader.ts";

/** Numbers from 0 up to before 1, always the same for a seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => { // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How often each thing happens, relative to the others. */
const weights = {
  few: 10,
  many: 3,
  rename: 3,
  renameLate: 1,
  copyTruncate: 4,
  copyOver: 1,
  copyAside: 1,
  compress: 2,
  removeOldest: 1,
  removeLive: 1,
};

type Event = keyof typeof weights;

/** The logs of one folder. */
export class FileWorld {
  /** What happened, for people. */
  readonly history: string[] = [];
  /** Lines in copies whose originals went on: one that nobody saw beside its original is a file of its own. */
  copiedAside = 0;
  readonly #folder: string;
  readonly #random: () => number;
  readonly #isDelivered: (line: string) => boolean;
  readonly #written = new Set<string>();
  /** Lines that were destroyed before they were delivered: they may come, and need not. */
  readonly #excused = new Set<string>();
  readonly #live = new Map<string, { content: number; lines: number }>();
  #contents = 0;

  constructor(folder: string, names: readonly string[], random: () => number, isDelivered: (line: string) => boolean) {
    this.#folder = folder;
    this.#random = random;
    this.#isDelivered = isDelivered;
    for (const name of names) this.#begin(name);
  }

  /** Lines that have to arrive. */
  get due(): readonly string[] {
    return [...this.#written].filter((line) => !this.#excused.has(line));
  }

  /** Whether a line was ever written. */
  knows(line: string): boolean {
    return this.#written.has(line);
  }

  /** The first lines of all files. */
  begin(): void {
    for (const name of this.#live.keys()) this.#write(name, join(this.#folder, name), 3);
  }

  /** Files that hold a line, for people. */
  placesOf(line: string): string {
    const names = [...Deno.readDirSync(this.#folder)].map(({ name }) => name).filter((name) => !name.endsWith(".gz"));
    return names.filter((name) => linesOf(join(this.#folder, name)).includes(line)).join(", ") || "no file";
  }

  /** Something happens to one of the files; then the clock of the file system moves on. */
  happen(): void {
    const names = [...this.#live.keys()];
    const name = names[Math.floor(this.#random() * names.length)]!;
    const before = this.#live.get(name)!;
    const from = before.lines;
    const event = this.#pick();
    this.#do(event, name, join(this.#folder, name));
    const after = this.#live.get(name)!;
    const change = after === before
      ? `lines ${from}–${after.lines}`
      : `lines up to ${from}, now content ${after.content}`;
    this.history.push(`${event} ${name}: content ${before.content} ${change}`);
    const untilMs = performance.now() + tickMs;
    while (performance.now() < untilMs);
  }

  #pick(): Event {
    const entries = Object.entries(weights) as [Event, number][];
    let at = this.#random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    return entries.find(([, weight]) => (at -= weight) < 0)?.[0] ?? "few";
  }

  #do(event: Event, name: string, path: string): void {
    if (event === "few") return this.#write(name, path, 1 + Math.floor(this.#random() * 5));
    if (event === "many") return this.#write(name, path, 200 + Math.floor(this.#random() * 600));
    if (event === "compress" || event === "removeOldest") return this.#lose(this.#oldest(path), event === "compress");
    if (!isThere(path)) return;
    if (event === "removeLive") this.#lose(path, false);
    else if (event === "rename" || event === "renameLate") this.#rename(name, path, event === "renameLate");
    else this.#copy(path, event);
    if (event !== "copyAside") this.#begin(name);
  }

  /** @param late a writer that still has the file open writes behind the rename */
  #rename(name: string, path: string, late: boolean): void {
    this.#shift(path);
    Deno.renameSync(path, `${path}.1`);
    if (late) this.#write(name, `${path}.1`, 2);
    if (this.#random() < 0.5) append(path, "");
  }

  /** `copyOver`: onto the last copy; `copyAside`: nothing is truncated, as by a rotation that dies, or by hand. */
  #copy(path: string, event: "copyTruncate" | "copyOver" | "copyAside"): void {
    if (event === "copyOver") this.#excuse(`${path}.1`);
    else this.#shift(path);
    if (event === "copyAside") this.copiedAside += linesOf(path).length;
    Deno.copyFileSync(path, `${path}.1`);
    if (event !== "copyAside") Deno.truncateSync(path);
  }

  #begin(name: string): void {
    this.#live.set(name, { content: this.#contents++, lines: 0 });
  }

  #write(name: string, path: string, count: number): void {
    const live = this.#live.get(name)!;
    let text = "";
    for (let i = 0; i < count; i++) {
      const line = `content ${live.content} line ${live.lines++}${" x".repeat(live.content % 7)}`;
      this.#written.add(line);
      text += line + "\n";
    }
    append(path, text);
  }

  #shift(path: string): void {
    this.#lose(isThere(`${path}.${keep}`) ? `${path}.${keep}` : undefined, false);
    for (let i = keep - 1; i > 0; i--) if (isThere(`${path}.${i}`)) Deno.renameSync(`${path}.${i}`, `${path}.${i + 1}`);
  }

  #oldest(path: string): string | undefined {
    for (let i = keep; i > 0; i--) if (isThere(`${path}.${i}`)) return `${path}.${i}`;
    return undefined;
  }

  #lose(path: string | undefined, archived: boolean): void {
    if (path === undefined) return;
    this.#excuse(path);
    if (archived) Deno.writeFileSync(`${path}.gz`, gzipSync(Deno.readFileSync(path)));
    Deno.removeSync(path);
  }

  /** What is in a file whose content goes away now, and did not arrive. */
  #excuse(path: string): void {
    if (!isThere(path)) return;
    for (const line of linesOf(path).filter((each) => !this.#isDelivered(each))) this.#excused.add(line);
  }
}

function linesOf(path: string): readonly string[] {
  return Deno.readTextFileSync(path).split("\n").filter((line) => line !== "");
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Former contents that are kept. */
const keep = 8;
/** Longer than a tick of the clock that modification times are taken from. */
const tickMs = 11;
