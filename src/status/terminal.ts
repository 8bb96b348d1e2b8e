/** The state as a terminal shows it: the verdict, and tables like those of `top`. Pure. */
import { formatDuration, formatSize } from "../formats/duration.ts";
import { severityName } from "../formats/priority.ts";
import type { AgentState, DropCount, TailRecord } from "./state.ts";
import { amount, verdictOf } from "./verdict.ts";

/** How it is written. */
export interface TerminalOptions {
  /** Escape sequences for colours. */
  readonly colour: boolean;
  /** Longest line, columns; 0: no end. */
  readonly width: number;
}

/** All of a state. @param before an earlier one of the same agent, from which rates are made */
export function formatState(state: AgentState, before: AgentState | undefined, options: TerminalOptions): string {
  const paint = painter(options.colour);
  const { hostname, command, version, nowMs, startMs } = state;
  const { level, title, troubles } = verdictOf(state);
  const lines = [
    `${paint(level, title)} · ${plain(hostname)} · agent ${command} ${plain(version)}, up ${age(nowMs - startMs)}`,
    ...troubles.map(({ level, text }) => `  ${paint(level, level === "bad" ? "✗" : "!")} ${plain(text)}`),
    "",
    ...table(sinkRows(state, before)),
    "",
    ...table(sourceRows(state, before)),
    ...machineLines(state),
  ];
  return lines.map((line) => cut(line, options.width)).join("\n") + "\n";
}

/** A record of the tail, on one line. */
export function formatTailRecord(record: TailRecord, { colour }: Pick<TerminalOptions, "colour">): string {
  const { timeMs, host, program, source, severity, message, skipped } = record;
  const paint = painter(colour);
  const time = Number.isFinite(timeMs) && Math.abs(timeMs) < 8.64e15 ? new Date(timeMs).toISOString() : "-";
  const level = severity <= 3 ? "bad" : severity === 4 ? "warning" : undefined;
  const word = level === undefined ? severityName(severity) : paint(level, severityName(severity));
  const gap = skipped === 0 ? "" : `… ${skipped} records passed too quickly to be shown\n`;
  return `${gap}${time} ${plain(host)} ${plain(program === "" ? source : program)} ${word}: ${plain(message)}\n`;
}

function sinkRows({ sinks, nowMs }: AgentState, before: AgentState | undefined): readonly (readonly string[])[] {
  const rows = sinks.map(({ id, type, target, delivered, held, lagMs, drops, up, sinceMs, lastError, lastErrorMs }) => {
    const earlier = before?.sinks.find((one) => one.id === id);
    const since = sinceMs === undefined ? "" : ` ${age(nowMs - sinceMs)}`;
    const failed = lastError === undefined
      ? ""
      : `${lastErrorMs === undefined ? "" : `${age(nowMs - lastErrorMs)} ago: `}${lastError}`;
    return [
      id,
      `${type} ${target}`,
      rate(delivered.records, earlier?.delivered.records, nowMs, before?.nowMs),
      String(delivered.records),
      String(held.records),
      lagMs === 0 ? "0" : age(lagMs),
      dropText(drops),
      `${up ? "up" : "down"}${since}`,
      failed,
    ];
  });
  return [["SINK", "TO", "REC/S", "DELIVERED", "HELD", "LAG", "DROPPED", "STATE", "LAST ERROR"], ...rows];
}

function sourceRows({ sources, nowMs }: AgentState, before: AgentState | undefined): readonly (readonly string[])[] {
  const rows = sources.map(({ id, type, received, drops, lastRecordMs, error, errorSinceMs, files }) => {
    const earlier = before?.sources.find((one) => one.id === id);
    const since = errorSinceMs === undefined ? "" : ` ${age(nowMs - errorSinceMs)}`;
    return [
      id,
      type,
      rate(received.records, earlier?.received.records, nowMs, before?.nowMs),
      String(received.records),
      formatSize(received.bytes),
      files === undefined ? "" : formatSize(files.unreadBytes),
      dropText(drops),
      lastRecordMs === undefined ? "never" : `${age(nowMs - lastRecordMs)} ago`,
      error === undefined ? "reads" : `error${since}: ${error}`,
    ];
  });
  return [["SOURCE", "TYPE", "REC/S", "RECEIVED", "SIZE", "UNREAD", "DROPPED", "NEWEST", "STATE"], ...rows];
}

function machineLines({ spool, certificate, nowMs, auditRulesLoaded }: AgentState): readonly string[] {
  const lines: string[] = [];
  if (spool !== undefined) {
    const fill = spool.maxBytes === 0 ? 0 : Math.round(spool.usedBytes / spool.maxBytes * 100);
    lines.push(
      `disk queue   ${fill} % of ${formatSize(spool.maxBytes)}, ${amount(spool.records, "record")}, gave up ${
        dropText(spool.drops)
      }`,
    );
  }
  if (certificate !== undefined) {
    const { subject, ok, notAfterMs, renewalMs } = certificate;
    const renewal = renewalMs > nowMs ? `renewed in ${age(renewalMs - nowMs)}` : "renewal is due";
    const life = notAfterMs > nowMs ? `ends in ${age(notAfterMs - nowMs)}` : `ended ${age(nowMs - notAfterMs)} ago`;
    lines.push(`certificate  ${plain(subject)}: ${ok ? "usable" : "not usable"}, ${life}, ${renewal}`);
  }
  if (auditRulesLoaded !== undefined) lines.push(`audit rules  ${auditRulesLoaded ? "loaded" : "not loaded"}`);
  return lines.length === 0 ? [] : ["", ...lines];
}

/** Columns as wide as their widest cell; figures, which are columns of digits alone, stand to the right. */
function table(rows: readonly (readonly string[])[]): readonly string[] {
  if (rows.length < 2) return [];
  const cells = rows.map((row) => row.map(plain));
  const widths = cells[0]!.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  const right = cells[0]!.map((_, i) => cells.slice(1).every((row) => /^[\d.–]+$/.test(row[i]!)));
  return cells.map((row) =>
    row.map((cell, i) => right[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)).join("  ").trimEnd()
  );
}

function rate(now: number, before: number | undefined, nowMs: number, beforeMs: number | undefined): string {
  if (before === undefined || beforeMs === undefined || nowMs <= beforeMs) return "–";
  const value = Math.max(0, now - before) * 1_000 / (nowMs - beforeMs);
  return value === 0 || value >= 100 ? String(Math.round(value)) : value.toFixed(1);
}

function dropText(drops: readonly DropCount[]): string {
  const some = drops.filter(({ records }) => records > 0);
  return some.length === 0 ? "0" : some.map(({ records, reason }) => `${records} ${plain(reason)}`).join(", ");
}

function age(durationMs: number): string {
  return durationMs < 1_000 ? "0s" : formatDuration(Math.round(durationMs / 1_000) * 1_000);
}

/** Text from outside must not command the terminal (ECMA-48), nor break the line. */
function plain(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, " ").replace(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu, "·");
}

function cut(line: string, width: number): string {
  // deno-lint-ignore no-control-regex -- colours take no room
  const shown = line.replace(/\u001b\[[\d;]*m/g, "").length;
  return width === 0 || shown <= width ? line : `${line.slice(0, line.length - (shown - width) - 1)}…`;
}

function painter(colour: boolean): (level: "good" | "warning" | "bad", text: string) => string {
  const codes = { good: 32, warning: 33, bad: 31 };
  return (level, text) => colour ? `\x1b[1;${codes[level]}m${plain(text)}\x1b[0m` : plain(text);
}
