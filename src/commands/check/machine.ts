/** What the machine must give: a clock that is set, enough files, a state folder. */
import { statfsSync } from "node:fs";
import type { AgentConfig } from "../../config/config.ts";
import { formatSize } from "../../formats/duration.ts";
import { broken, type Finding, fine, warning } from "./finding.ts";
import { complaintOfFolder } from "./folder.ts";

/** Looks at the clock, the limits and the state folder. */
export function checkMachine(config: AgentConfig): readonly Finding[] {
  return [checkClock(Date.now()), ...checkOpenFiles(config), ...checkState(config)];
}

/** A clock that is not set fails every certificate. */
export function checkClock(nowMs: number): Finding {
  const now = new Date(nowMs).toISOString();
  if (nowMs >= builtAtMs) return fine("clock", now);
  return broken(
    "clock",
    `it says ${now}, and this program is younger: the clock is not set`,
    "set it (ntpd, chronyd, date -s) before certificates are used",
  );
}

/** The clock cannot be earlier than this: the day that this check was written. */
const builtAtMs = Date.parse("2026-11-20T00:00:00Z");

function checkOpenFiles(config: AgentConfig): Finding[] {
  const limits = readLimits();
  if (limits === undefined) return [];
  const needed = filesNeeded(config);
  const text = `${limits} at once, about ${needed} are needed at the most`;
  if (limits >= needed) return [fine("open files", text)];
  return [warning("open files", text, `raise the limit (ulimit -n ${needed}, LimitNOFILE=${needed})`)];
}

/** The soft limit, which is what counts; undefined where it cannot be told. */
function readLimits(): number | undefined {
  try {
    const match = /^Max open files\s+(\d+|unlimited)/m.exec(Deno.readTextFileSync("/proc/self/limits"));
    if (match === null) return undefined;
    return match[1] === "unlimited" ? Infinity : Number(match[1]);
  } catch {
    return undefined; // no /proc: not Linux, or a jail
  }
}

function filesNeeded(config: AgentConfig): number {
  let sum = 128; // the runtime, the spool, positions, the log
  for (const source of Object.values(config.sources)) {
    sum += source.type === "file" ? 1_024 : source.type === "relp" ? source.maxSessions : 32;
  }
  for (const sink of Object.values(config.sinks)) sum += sink.type === "file" ? sink.maxOpenFiles : 4;
  return sum;
}

function checkState({ state, spool }: AgentConfig): Finding[] {
  const complaint = complaintOfFolder(state);
  if (complaint !== undefined) {
    return [broken("state", complaint, "make it writable, or name another with the key state")];
  }
  const free = freeBytes(state);
  if (free === undefined || free >= spool.maxBytes) return [fine("state", `${state} can be written`)];
  return [
    warning(
      "state",
      `${state} has ${formatSize(free)} left, and the spool may take ${formatSize(spool.maxBytes)}`,
      "make room, or lower spool.maxSize",
    ),
  ];
}

function freeBytes(path: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return undefined; // the folder is not there yet
  }
}
