/** The live tail as server-sent events (WHATWG HTML section 9.2). Who reads slowly loses records, told by `skipped`; nothing waits for it. */
import { parseSeverity } from "../../formats/priority.ts";
import { pause } from "../../pipeline/backoff.ts";
import type { AgentFeed, TailFilter, TailRecord } from "../state.ts";
import type { StatusContext } from "./app.ts";

/** What following may cost the shipper, whoever follows: readers at a time, new readers, and records a second for all together. */
export class TailLimit {
  readonly #now: () => number;
  #open = 0;
  #entries = entryBurst;
  #entriesMs: number;
  #windowMs: number;
  #sent = 0;

  /** @param now milliseconds that only grow */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#entriesMs = this.#windowMs = now();
  }

  /** Takes a place; false: there is none now. */
  enter(): boolean {
    const nowMs = this.#now();
    this.#entries = Math.min(entryBurst, this.#entries + (nowMs - this.#entriesMs) / 1_000 * entriesPerSecond);
    this.#entriesMs = nowMs;
    if (this.#open >= maxTails || this.#entries < 1) return false;
    this.#entries--;
    this.#open++;
    return true;
  }

  leave(): void {
    this.#open--;
  }

  /** How long the next record has to wait, milliseconds; 0: it goes out now, and is counted. */
  takeTurn(): number {
    const nowMs = this.#now();
    if (nowMs - this.#windowMs >= windowMs) {
      this.#windowMs = nowMs;
      this.#sent = 0;
    }
    if (this.#sent >= recordsPerWindow) return Math.max(1, this.#windowMs + windowMs - nowMs);
    this.#sent++;
    return 0;
  }
}

/** Answers `GET /api/tail?source=ID&severity=NAME&contains=TEXT`. */
export function followTail(context: StatusContext, feed: AgentFeed, limit: TailLimit): Response {
  let filter: TailFilter;
  try {
    filter = parseTailFilter(new URL(context.req.url).searchParams);
  } catch (error) {
    return context.json({ error: (error as Error).message }, 400);
  }
  if (context.req.method === "HEAD") return context.body(null, 200, eventHeaders);
  if (!limit.enter()) {
    return context.json({ error: "too many follow, or began to of late" }, 503, { "retry-after": "5" });
  }
  return eventResponse(
    (signal) => encoded(feed.tail(filter, signal), limit, signal),
    context.env.gone,
    () => limit.leave(),
  );
}

/** What a reader wants. @throws with what is allowed */
export function parseTailFilter(words: URLSearchParams): TailFilter {
  for (const name of words.keys()) {
    if (!["source", "severity", "contains"].includes(name)) {
      throw new Error(`${name}: source, severity, contains are known`);
    }
  }
  const severity = words.get("severity") ?? "";
  const contains = words.get("contains") ?? "";
  if (contains.length > 200) throw new Error("contains: 200 characters at the most");
  return {
    sources: words.getAll("source").filter((source) => source !== "").slice(0, 100),
    severity: severity === "" ? 7 : parseSeverity(/^\d$/.test(severity) ? Number(severity) : severity),
    contains,
  };
}

/**
 * An answer of events. The next one is taken when the one before has gone out; while none comes, a comment is sent now and then, which
 * is how a caller that is gone is found.
 * @param events texts of events, until its signal aborts
 */
export function eventResponse(
  events: (signal: AbortSignal) => AsyncIterable<string>,
  gone: AbortSignal,
  ended: () => void = () => {},
  beatMs = 15_000,
): Response {
  const stop = new AbortController();
  const iterator = events(AbortSignal.any([gone, stop.signal]))[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  let next: Asked<string> | undefined;
  let over = false;
  const end = (): void => {
    if (over) return;
    over = true;
    gone.removeEventListener("abort", end);
    stop.abort();
    ended();
    void iterator.return?.().catch(() => {});
  };
  gone.addEventListener("abort", end, { once: true });
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(encoder.encode(": follows\n\n")),
    pull: async (controller) => {
      next ??= new Asked(iterator);
      if (!await next.wait(beatMs)) return controller.enqueue(encoder.encode(": still here\n\n"));
      const event = next.value();
      next = undefined;
      if (event !== undefined) return controller.enqueue(encoder.encode(event));
      end();
      controller.close();
    },
    cancel: end,
  }, { highWaterMark: 0 });
  return new Response(body, { headers: eventHeaders });
}

/** One event; JSON has no line ends of its own. */
export function encodeEvent(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** What is not taken meanwhile is skipped by the feed, which costs it next to nothing. */
async function* encoded(
  records: AsyncIterable<TailRecord>,
  limit: TailLimit,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for await (const record of records) {
    for (let waitMs = limit.takeTurn(); waitMs > 0 && !signal.aborted; waitMs = limit.takeTurn()) {
      await pause(waitMs, signal);
    }
    yield encodeEvent(record);
  }
}

/** The next value of an iterator, waited for in turns; a race of promises would keep something of every turn. */
class Asked<T> {
  #result: IteratorResult<T> | undefined;
  #error: Error | undefined;
  #wake: () => void = () => {};

  constructor(iterator: AsyncIterator<T>) {
    iterator.next().then((result) => this.#result = result, (error) => this.#error = error).then(() => this.#wake());
  }

  /** Whether it has come, after `waitMs` at the latest. */
  async wait(waitMs: number): Promise<boolean> {
    const come = (): boolean => this.#result !== undefined || this.#error !== undefined;
    if (come()) return true;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    return come();
  }

  /** Undefined at the end. @throws what the iterator threw */
  value(): T | undefined {
    if (this.#error !== undefined) throw this.#error;
    return this.#result?.done === true ? undefined : this.#result?.value;
  }
}

const maxTails = 16;
const entryBurst = 20;
const entriesPerSecond = 2;
/** 2,000 records a second for all readers: more than anybody reads. */
const windowMs = 200;
const recordsPerWindow = 400;
const eventHeaders = { "content-type": "text/event-stream; charset=utf-8" };
