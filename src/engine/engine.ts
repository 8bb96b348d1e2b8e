/**
 * The engine: every source to every sink, each pair with a pump and a position of its own, so that a dead sink holds
 * back nobody else. A source that cannot be read again gets one pump to all sinks.
 */
import { type BackoffLimits, backoffMs, pause } from "../pipeline/backoff.ts";
import type { Checkpoints } from "../pipeline/checkpoint.ts";
import { errorText, GoneError } from "../pipeline/errors.ts";
import { pump } from "../pipeline/pump.ts";
import type { Rule } from "../pipeline/rule.ts";
import type { Sink } from "../pipeline/sink.ts";
import type { Source } from "../pipeline/source.ts";
import { openLog } from "../system/log.ts";
import { fanOut } from "./fan_out.ts";
import type { SinkHealth } from "./health.ts";

/** A sink with what the engine keeps beside it. */
export interface SinkPart {
  readonly sink: Sink;
  readonly health: SinkHealth;
  readonly backoff: BackoffLimits;
  /** Rules for this sink; undefined: everything is shipped. */
  readonly rule?: Rule;
}

/** What an engine is made of. It disposes sources and sinks when it ends, and leaves the checkpoints to the caller. */
export interface EngineParts {
  readonly sources: readonly Source[];
  readonly sinks: readonly SinkPart[];
  readonly checkpoints: Checkpoints;
  /** End when every source has ended. A source that fails is then an error instead of something to try again. */
  readonly once: boolean;
  /** How long after a stop what is in flight may still be confirmed. */
  readonly drainMs: number;
}

/** How it went. */
export interface EngineResult {
  /** Records that were read and not confirmed when it ended: they are read again, or lost if their source is live. */
  readonly unconfirmed: number;
}

/**
 * Runs until `stop` aborts, or until every source has ended and is delivered.
 * @throws what ended a source for good
 */
export async function runEngine(parts: EngineParts, stop: AbortSignal): Promise<EngineResult> {
  const halt = new AbortController();
  const cut = new AbortController();
  const onStop = (): void => halt.abort();
  if (stop.aborted) onStop();
  stop.addEventListener("abort", onStop, { once: true });
  let timer: ReturnType<typeof setTimeout> | undefined;
  halt.signal.addEventListener("abort", () => timer = setTimeout(() => cut.abort(), parts.drainMs), { once: true });
  try {
    const pairs = pairsOf(parts).map((pair) => runPair(pair, parts, halt, cut.signal));
    const results = await Promise.allSettled(pairs);
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    return {
      unconfirmed: results.reduce((sum, result) => sum + (result.status === "fulfilled" ? result.value : 0), 0),
    };
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", onStop);
    await disposeAll(parts);
    cut.abort();
  }
}

interface Pair {
  readonly source: Source;
  readonly sinks: readonly SinkPart[];
  readonly checkpoints: Checkpoints;
  readonly id: string;
}

function pairsOf({ sources, sinks, checkpoints }: EngineParts): readonly Pair[] {
  return sources.flatMap((source) => {
    if (source.replayable) {
      return sinks.map((part) => ({ source, sinks: [part], checkpoints, id: `${source.id}@${part.sink.id}` }));
    }
    return [{ source, sinks, checkpoints: source.acknowledgements ?? nowhere, id: `${source.id}@*` }];
  });
}

async function runPair(pair: Pair, parts: EngineParts, halt: AbortController, cut: AbortSignal): Promise<number> {
  const [first] = pair.sinks;
  for (let attempt = 1;; attempt++) {
    try {
      return await pump(
        {
          source: pair.source,
          sink: fanOut(pair.sinks.map(({ sink }) => sink)),
          checkpoints: pair.checkpoints,
          id: pair.id,
          ...(first!.rule === undefined ? {} : { rule: first!.rule }),
          maxFlightBytes: 4 * 1024 * 1024,
          maxBatchBytes: 128 * 1024,
          backoff: first!.backoff,
          observer: first!.health.observer(),
        },
        halt.signal,
        cut,
      );
    } catch (error) {
      if (halt.signal.aborted && !(error instanceof GoneError)) throw error;
      if (error instanceof GoneError || parts.sources.length === 1) {
        halt.abort();
        throw error;
      }
      if (parts.once) throw error;
      log.error(`${pair.source.id} failed and is tried again: ${errorText(error)}`);
      await pause(backoffMs(sourceBackoff, attempt), halt.signal);
      if (halt.signal.aborted) return 0;
    }
  }
}

/** Sources first: a server says goodbye after its last answers; then the sinks, which close their sessions. */
async function disposeAll({ sources, sinks }: EngineParts): Promise<void> {
  await Promise.all(sources.map((source) => source[Symbol.asyncDispose]?.()));
  await Promise.all(sinks.map(({ sink }) => sink[Symbol.asyncDispose]()));
}

const nowhere: Checkpoints = { get: () => Promise.resolve(undefined), commit: () => {} };
const sourceBackoff: BackoffLimits = { firstMs: 1_000, maxMs: 60_000 };
const log = openLog("engine");
