/** States of an agent as its engine would tell them, and a feed of them that a test can change. */
import type { AgentFeed, AgentState, SinkState, SourceState, TailFilter, TailRecord } from "../../src/status/state.ts";

/** A source that reads well. */
export function someSource(id: string, over: Partial<SourceState> = {}): SourceState {
  return { id, type: "file", received: { records: 0, bytes: 0 }, drops: [], ...over };
}

/** A sink that delivers. */
export function someSink(id: string, over: Partial<SinkState> = {}): SinkState {
  return {
    id,
    type: "relp",
    target: "loghost.example.net:2514",
    up: true,
    failures: 0,
    suspensions: 0,
    resumptions: 0,
    suspendedMs: 0,
    delivered: { records: 0, bytes: 0 },
    drops: [],
    held: { records: 0, bytes: 0 },
    lagMs: 0,
    ...over,
  };
}

/** An agent that is well: one source, one sink, a day old. */
export function someState(over: Partial<AgentState> = {}): AgentState {
  const nowMs = over.nowMs ?? Date.UTC(2026, 0, 2);
  return {
    version: "1.2.3",
    hostname: "router1",
    command: "ship",
    nowMs,
    startMs: nowMs - 86_400_000,
    sources: [someSource("messages")],
    sinks: [someSink("loghost")],
    pairs: [],
    ...over,
  };
}

/** Tells what the test puts into `current`, and lets the test say what passes. */
export class ScriptedFeed implements AgentFeed {
  current: AgentState;
  readonly #readers = new Set<{ filter: TailFilter; take(record: TailRecord): void }>();

  constructor(current: AgentState) {
    this.current = current;
  }

  /** How many follow. */
  get readers(): number {
    return this.#readers.size;
  }

  state(): AgentState {
    return this.current;
  }

  configuration(): string {
    return "state: /var/lib/agent\n";
  }

  /** A record passes, to all whose filter takes it. */
  say(record: Partial<TailRecord> & { readonly message: string }): void {
    const whole = {
      source: "messages",
      timeMs: Date.now(),
      host: "router1",
      program: "app",
      severity: 6,
      skipped: 0,
      ...record,
    };
    for (const { filter, take } of this.#readers) {
      const { sources, severity, contains } = filter;
      if (sources.length > 0 && !sources.includes(whole.source)) continue;
      if (whole.severity > severity || !whole.message.toLowerCase().includes(contains.toLowerCase())) continue;
      take(whole);
    }
  }

  async *tail(filter: TailFilter, signal: AbortSignal): AsyncGenerator<TailRecord> {
    const queue: TailRecord[] = [];
    let wake: () => void = () => {};
    const reader = { filter, take: (record: TailRecord) => void (queue.push(record), wake()) };
    const end = (): void => wake();
    signal.addEventListener("abort", end, { once: true });
    this.#readers.add(reader);
    try {
      while (!signal.aborted) {
        while (queue.length > 0) yield queue.shift()!;
        if (signal.aborted) return;
        await new Promise<void>((resolve) => wake = resolve);
      }
    } finally {
      this.#readers.delete(reader);
      signal.removeEventListener("abort", end);
    }
  }
}
