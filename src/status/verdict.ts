/** The one sentence that an operator wants: do logs leave this machine? If not, what is in the way, worst first. */
import { formatDuration } from "../formats/duration.ts";
import { lostBy, lostBySpool } from "./history.ts";
import type { AgentState, DropCount, SinkState, SourceState } from "./state.ts";

/** Something that is not as it should be. */
export interface Trouble {
  readonly level: "bad" | "warning";
  readonly text: string;
}

/** What is said at the top. */
export interface Verdict {
  readonly level: "good" | "warning" | "bad";
  readonly title: string;
  readonly troubles: readonly Trouble[];
}

/** How many records were lost of late; without a history, since the start. */
export interface RecentLosses {
  /** `this hour`, `since the start`. */
  readonly when: string;
  of(part: "source" | "sink" | "spool", id: string, total: number): number;
}

/** What is known without a history. */
const lossesSinceStart: RecentLosses = { when: "since the start", of: (_part, _id, total) => total };

/** Judges a state. */
export function verdictOf(state: AgentState, losses: RecentLosses = lossesSinceStart): Verdict {
  const found = [
    ...state.sinks.flatMap((sink) => [...sinkTroubles(sink, state, losses)]),
    ...state.sources.flatMap((source) => [...sourceTroubles(source, state, losses)]),
    ...spoolTroubles(state, losses),
    ...certificateTroubles(state),
    ...(state.auditRulesLoaded === false
      ? [{ level: "bad", text: "The audit rules that are wanted are not loaded" } satisfies Trouble]
      : []),
  ];
  const troubles = found.toSorted((a, b) => rank(a) - rank(b));
  return { level: troubles[0]?.level ?? "good", title: titleOf(state, troubles), troubles };
}

function rank({ level }: Trouble): number {
  return level === "bad" ? 0 : 1;
}

function titleOf({ command, sinks, sources }: AgentState, troubles: readonly Trouble[]): string {
  if (command === "serve") return troubles.length === 0 ? "This machine answers" : "This machine needs a look";
  const away = sinks.filter(({ up }) => !up).length;
  const received = command === "collect";
  if (sinks.length > 0 && away === sinks.length) {
    return received ? "No log that comes in is kept" : "No logs leave this machine";
  }
  if (troubles.some(({ level }) => level === "bad")) {
    return received ? "Not all logs that come in are kept" : "Not all logs leave this machine";
  }
  if (troubles.length > 0) {
    return received ? "Logs are kept, with a warning" : "Logs leave this machine, with a warning";
  }
  if (sources.length === 0) return "Nothing is read: there are no sources";
  return received ? "All logs that come in are kept" : "All logs leave this machine";
}

function* sinkTroubles(sink: SinkState, { nowMs }: AgentState, losses: RecentLosses): Iterable<Trouble> {
  const { id, up, sinceMs, lastError, held, lagMs, lastSuccessMs } = sink;
  if (!up) {
    const since = sinceMs === undefined ? "" : ` for ${lasting(Math.max(0, nowMs - sinceMs))}`;
    const waits = held.records === 0 ? "" : `; ${amount(held.records, "record")} wait`;
    yield {
      level: "bad",
      text: `Sink "${id}" is down${since}${waits}${lastError === undefined ? "" : `: ${lastError}`}`,
    };
  } else if (held.records > 0 && lagMs > silentMs && nowMs - (lastSuccessMs ?? 0) > silentMs) {
    yield { level: "bad", text: `Sink "${id}" has confirmed nothing for ${lasting(lagMs)}` };
  } else if (lagMs > slowMs) {
    yield { level: "warning", text: `Sink "${id}" is ${lasting(lagMs)} behind` };
  }
  yield* lossTrouble(`Sink "${id}"`, losses.of("sink", id, lostBy(sink)), sink.drops, losses);
  const life = sink.certificateEndMs === undefined ? Infinity : sink.certificateEndMs - nowMs;
  if (life <= 0) yield { level: "bad", text: `The certificate that is shown to sink "${id}" has expired` };
  else if (life < 86_400_000) {
    yield { level: "warning", text: `The certificate that is shown to sink "${id}" ends in ${lasting(life)}` };
  }
}

function* sourceTroubles(source: SourceState, { nowMs }: AgentState, losses: RecentLosses): Iterable<Trouble> {
  const { id, error, errorSinceMs } = source;
  if (error !== undefined) {
    const since = errorSinceMs === undefined ? "" : ` for ${lasting(Math.max(0, nowMs - errorSinceMs))}`;
    yield { level: "bad", text: `Source "${id}" cannot be read${since}: ${error}` };
  }
  yield* lossTrouble(`Source "${id}"`, losses.of("source", id, lostBy(source)), source.drops, losses);
}

function* spoolTroubles({ spool }: AgentState, losses: RecentLosses): Iterable<Trouble> {
  if (spool === undefined) return;
  const fill = spool.maxBytes === 0 ? 0 : spool.usedBytes / spool.maxBytes;
  if (fill > 0.8) yield { level: "warning", text: `The disk queue is ${Math.round(fill * 100)} % full` };
  if (spool.blocked === true) yield { level: "bad", text: "The disk queue is full: sources wait for room" };
  const lost = losses.of("spool", "", lostBySpool(spool));
  if (lost > 0) yield { level: "bad", text: `The disk queue gave up ${amount(lost, "record")} ${losses.when}` };
}

function* certificateTroubles({ certificate, nowMs }: AgentState): Iterable<Trouble> {
  if (certificate === undefined) return;
  const { ok, problem, renewalMs, notAfterMs } = certificate;
  if (!ok) yield { level: "bad", text: `The certificate cannot be used${problem === undefined ? "" : `: ${problem}`}` };
  else if (nowMs > (renewalMs + notAfterMs) / 2) {
    const left = lasting(Math.max(0, notAfterMs - nowMs));
    yield { level: "warning", text: `The certificate should have been renewed; it ends in ${left}` };
  }
}

function* lossTrouble(
  name: string,
  lost: number,
  drops: readonly DropCount[],
  { when }: RecentLosses,
): Iterable<Trouble> {
  if (lost === 0) return;
  const reasons = drops.filter(({ intended, records }) => !intended && records > 0).map(({ reason }) => reason);
  yield { level: "warning", text: `${name} lost ${amount(lost, "record")} ${when} (${reasons.join(", ")})` };
}

/** Whole seconds: what is read at a glance has no parts of them. */
function lasting(durationMs: number): string {
  return formatDuration(Math.floor(Math.max(0, durationMs) / 1_000) * 1_000).replace(/^0ms$/, "a moment");
}

/** A count with its word: `1 record`, `12,345 records`. */
export function amount(count: number, word: string): string {
  return `${count.toLocaleString("en-US")} ${word}${count === 1 ? "" : "s"}`;
}

const silentMs = 5 * 60_000;
const slowMs = 60_000;
