/**
 * The engine: every source to every sink, each pair with a pump and a position of its own, so that a dead sink holds
 * back nobody else.
 *
 * ```text
 *   file, kernel (replayable)          ─► pump per sink ─────────────────► sink
 *   tap, stdin (live, nobody to ask)   ─► pump ─► spool ─► pump per sink ─► sink
 *   relp (live, its peer waits)        ─► pump ──────────────────────────► all sinks at once, then the answer
 * ```
 */
import { type BackoffLimits, backoffMs, pause } from "../pipeline/backoff.ts";
import { errorText, GoneError } from "../pipeline/errors.ts";
import { pump } from "../pipeline/pump.ts";
import { openLog } from "../system/log.ts";
import { type Pair, type PairParts, pairsOf } from "./pairs.ts";

/** What an engine is made of. It disposes sources, sinks and spool when it ends; the checkpoints are the caller's. */
export interface EngineParts extends PairParts {
  /** End when every source has ended. A source that fails is then an error instead of something to try again. */
  readonly once: boolean;
  /** How long after a stop what is in flight may still be confirmed. */
  readonly drainMs: number;
}

/** How it went. */
export interface EngineResult {
  /** Records that were read and not confirmed when it ended: they are read again at the next start. */
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
  const notices = setInterval(() => sayNotices(parts, Date.now()), 10_000);
  halt.signal.addEventListener("abort", () => timer = setTimeout(() => cut.abort(), parts.drainMs), { once: true });
  try {
    return { unconfirmed: await runPairs(parts, halt, cut.signal) };
  } finally {
    clearTimeout(timer);
    clearInterval(notices);
    sayNotices(parts, Infinity);
    sayDrops(parts);
    stop.removeEventListener("abort", onStop);
    await disposeAll(parts);
    cut.abort();
  }
}

async function runPairs(parts: EngineParts, halt: AbortController, cut: AbortSignal): Promise<number> {
  const { direct, feeding, draining } = pairsOf(parts);
  const start = (pair: Pair): Promise<number> => runPair(pair, parts, halt, cut);
  const fed = Promise.allSettled(feeding.map(start)).finally(() => parts.spool?.finish());
  const others = Promise.allSettled([...direct, ...draining].map(start));
  const results = [...await others, ...await fed];
  let unconfirmed = 0;
  for (const result of results) {
    if (result.status === "rejected") throw result.reason;
    unconfirmed += result.value;
  }
  return unconfirmed;
}

async function runPair(pair: Pair, parts: EngineParts, halt: AbortController, cut: AbortSignal): Promise<number> {
  let said = "";
  for (let attempt = 1;; attempt++) {
    try {
      return await pump(
        { ...pair, maxFlightBytes: pair.sink.flightBytes ?? maxFlightBytes, maxBatchBytes },
        halt.signal,
        cut,
      );
    } catch (error) {
      if (error instanceof GoneError || parts.sources.length === 1) {
        halt.abort();
        throw error;
      }
      if (parts.once || halt.signal.aborted) throw error;
      const reason = errorText(error);
      parts.feed.sourceFailed(pair.source.id, reason);
      if (reason !== said) log.error(`${pair.source.id} failed and is tried again until it works: ${reason}`);
      said = reason;
      await pause(backoffMs(sourceBackoff, attempt), halt.signal);
      if (halt.signal.aborted) return 0;
    }
  }
}

/** Tells of what the limits of rules have suppressed. */
function sayNotices({ sinks, rules }: EngineParts, nowMs: number): void {
  for (const { sink } of sinks) for (const notice of rules.takeNotices(sink.id, nowMs)) log.warning(notice);
}

/** Tells of what the sources could not give. */
function sayDrops({ sources }: EngineParts): void {
  for (const { id, drops } of sources.map((source) => ({ id: source.id, drops: source.drops?.() ?? new Map() }))) {
    for (const [reason, { records, bytes }] of drops) {
      log.warning(`${id}: dropped for ${reason}: ${records} records, ${bytes} bytes in all`);
    }
  }
}

/** Sources first: a server says goodbye after its last answers; then the sinks, which close their sessions. */
export async function disposeAll({ sources, sinks, spool }: EngineParts): Promise<void> {
  await Promise.all(sources.map((source) => source[Symbol.asyncDispose]?.()));
  await Promise.all(sinks.map(({ sink }) => sink[Symbol.asyncDispose]()));
  for (const { aside } of sinks) aside?.[Symbol.dispose]();
  await spool?.[Symbol.asyncDispose]();
}

const maxFlightBytes = 1024 * 1024;
const maxBatchBytes = 128 * 1024;
const sourceBackoff: BackoffLimits = { firstMs: 1_000, maxMs: 60_000 };
const log = openLog("engine");
