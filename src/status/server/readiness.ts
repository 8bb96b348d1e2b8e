/** Whether an agent does what it is for. Pure. */
import type { AgentState } from "../state.ts";

/** Why the agent is not ready, one text each: sinks that are down for a while, sources that cannot be read. */
export function unreadiness({ sinks, sources, nowMs, startMs }: AgentState): readonly string[] {
  return [
    ...sinks.filter(({ up, sinceMs }) => !up && nowMs - (sinceMs ?? startMs) >= patienceMs).map(({ id, lastError }) =>
      `sink ${id} is down${lastError === undefined ? "" : `: ${lastError}`}`
    ),
    ...sources.filter(({ error }) => error !== undefined).map(({ id, error }) =>
      `source ${id} cannot be read: ${error}`
    ),
  ];
}

/** A peer that restarts is no reason to take the agent out of service. */
const patienceMs = 60_000;
