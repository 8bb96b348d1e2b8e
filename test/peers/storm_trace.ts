/**
 * What is known of lines that a storm (see storm.ts) lost: in which content of the file they were, where that content is
 * now, what the agent's log says of the time around it, and what its position knew of that inode at every kill.
 */
import { join } from "node:path";
import { filesBelow } from "./numbered_lines.ts";
import type { Shipper } from "./shipper.ts";
import type { Rotation } from "./storm.ts";

/** One run of the agent, from its start to its kill. */
interface AgentRun {
  readonly endedMs: number;
  readonly log: string;
  /** The position, key by key, as the kill left it. */
  readonly marks: ReadonlyMap<string, string>;
}

/** Gathers while the storm goes on; tells at its end. */
export class StormTrace {
  readonly #runs: AgentRun[] = [];
  readonly #shipper: Shipper;

  constructor(shipper: Shipper) {
    this.#shipper = shipper;
  }

  /** To be called when the agent has been killed, before it is started again. */
  note(): void {
    const { program, state } = this.#shipper;
    this.#runs.push({ endedMs: Date.now(), log: program.stderr, marks: readMarks(join(state, "positions")) });
  }

  /**
   * One paragraph for every range of lines that never arrived, and for every one of more than `windowSize` that arrived
   * twice: one kill cannot repeat so many. Empty when there is none.
   */
  explain(arrivals: Uint8Array, windowSize: number, rotations: readonly Rotation[], folder: string): string {
    this.note();
    const ranges = [
      ...rangesOf(arrivals, (times) => times === 0).map((range) => ({ ...range, what: "never arrived" })),
      ...rangesOf(arrivals, (times) => times > 1).filter(({ from, to }) => to - from >= windowSize)
        .map((range) => ({ ...range, what: "arrived again" })),
    ];
    return ranges.map(({ from, to, what }) => `${what}: ${this.#explainRange(from, to, rotations, folder)}`).join("\n");
  }

  #explainRange(from: number, to: number, rotations: readonly Rotation[], folder: string): string {
    const held = rotations.find(({ end }) => from < end);
    if (held === undefined) return `lines ${from}–${to} are in the last content of the file`;
    const first = rotations[rotations.indexOf(held) - 1]?.end ?? 0;
    const begunMs = (rotations[rotations.indexOf(held) - 1]?.atMs ?? held.atMs) - 200;
    const next = rotations[rotations.indexOf(held) + 1];
    const runs = this.#runs.filter(({ endedMs }, i) =>
      endedMs >= begunMs && (this.#runs[i - 1]?.endedMs ?? 0) < held.atMs + 1_500
    );
    const text = [
      `lines ${from}–${to} of the content ${first}–${held.end - 1}, rotated by ${held.kind} at ${timeText(held.atMs)}`,
      `  written to inode ${held.liveKey}, afterwards in ${held.heldKey}; now: ${placeOf(held.heldKey, folder)}`,
      `  the next content is rotated by ${next?.kind} at ${next === undefined ? "-" : timeText(next.atMs)}`,
    ];
    for (const { endedMs, log, marks } of runs) {
      text.push(...linesBetween(log, begunMs, held.atMs + 2_000).map((line) => `  ${line}`));
      text.push(`  killed at ${timeText(endedMs)}; the position knew:`);
      for (const key of new Set([held.liveKey, held.heldKey])) text.push(`    ${key}: ${marks.get(key) ?? "nothing"}`);
      text.push(
        `    in all: ${[...marks].map(([key, mark]) => `${key}@${/"offset":(\d+)/.exec(mark)?.[1]}`).join(" ")}`,
      );
    }
    return text.join("\n");
  }
}

/** Runs of lines that `chosen` picks by how often they arrived. */
function rangesOf(arrivals: Uint8Array, chosen: (times: number) => boolean): { from: number; to: number }[] {
  const ranges: { from: number; to: number }[] = [];
  arrivals.forEach((times, sequence) => {
    if (!chosen(times)) return;
    const last = ranges.at(-1);
    if (last !== undefined && last.to === sequence - 1) last.to = sequence;
    else ranges.push({ from: sequence, to: sequence });
  });
  return ranges;
}

/** The lines of a log that carry a time within the bounds, and what follows each of them without one. */
function linesBetween(log: string, fromMs: number, toMs: number): readonly string[] {
  let within = false;
  return log.split("\n").filter((line) => {
    const atMs = Date.parse(line.slice(0, 24));
    if (!Number.isNaN(atMs)) within = atMs >= fromMs && atMs <= toMs;
    return within && line !== "";
  });
}

/** Snapshot and log of every pair; see `src/system/checkpoint_store.ts`. */
function readMarks(folder: string): ReadonlyMap<string, string> {
  const marks = new Map<string, string>();
  for (const path of filesBelow(folder).filter((name) => name.endsWith(".json"))) {
    const snapshot = parseOr(Deno.readTextFileSync(path).split("\n")[0]!);
    merge(marks, (snapshot?.position ?? {}) as Record<string, unknown>);
    const name = path.slice(0, -".json".length);
    const logs = [`${path}.`, `${name}.`].map((start) => `${start}${snapshot?.generation ?? 0}.log`);
    for (const log of filesBelow(folder).filter((other) => logs.includes(other))) {
      for (const line of Deno.readTextFileSync(log).split("\n")) merge(marks, parseOr(line.slice(9)) ?? {});
    }
  }
  return marks;
}

function merge(marks: Map<string, string>, change: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(change)) {
    if (value === null) marks.delete(key);
    else marks.set(key, JSON.stringify(value));
  }
}

function parseOr(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a torn end
  }
}

function placeOf(key: string, folder: string): string {
  for (const path of filesBelow(folder)) {
    const { dev, ino, size } = Deno.statSync(path);
    if (`${dev}:${ino}` === key) return `${path}, ${size} bytes`;
  }
  return "nowhere";
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
