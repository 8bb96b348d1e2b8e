/** The report for people in a terminal: `report.txt`, `README.txt` and the last words of the command. */
import { formatDuration, formatSize } from "../formats/duration.ts";
import { advicePage } from "./report_words.ts";
import type { CollectorReport, DumpReport, Finding } from "./report.ts";

/** `report.txt`: state first, then what is missing, what was found, and every collector with every file. */
export function reportText(report: DumpReport): string {
  const lines = [...headLines(report), ""];
  for (const node of report.nodes) {
    if (node.id !== ".") lines.push(`node ${node.id}`);
    if (node.failure !== undefined) lines.push(`  nothing of it: ${node.failure}`);
    lines.push(...node.collectors.flatMap(collectorLines), "");
  }
  return lines.join("\n");
}

/** `README.txt`. */
export function readmeText(report: DumpReport): string {
  return [
    "This is a diagnostics dump. Open README.html in a browser: it works without a network.",
    "",
    ...headLines(report),
    "",
    "README.html     what is missing, what was found, and links to all files",
    "report.txt      this report with every collector, file, time and reason",
    "report.json     the same for programs (schema: agent dump --schema)",
    "findings.json   what analysers found",
    "manifest.json   size and SHA-256 of every file",
    "nodes/<id>/     one folder per machine; NAME.error says why NAME is missing or not whole",
    "",
    ...advicePage(report),
    "",
  ].join("\n");
}

/** The first lines of everything: complete or not, why, and what was found. */
export function headLines(report: DumpReport): readonly string[] {
  const missing = missingOf(report);
  const failed = report.nodes.filter(({ failure }) => failure !== undefined);
  const lines = [stateLine(report)];
  for (const { id, failure } of failed) lines.push(`  missing: node ${id}: ${oneLine(failure!)}`);
  for (const { id, status, reason } of missing.slice(0, maxShown)) {
    lines.push(`  missing: ${id}: ${status}${reason === undefined ? "" : `: ${oneLine(reason)}`}`);
  }
  if (missing.length > maxShown) lines.push(`  and ${missing.length - maxShown} more, see report.txt`);
  for (const { severity, title } of findingsOf(report).slice(0, maxShown)) {
    lines.push(`  ${severity}: ${oneLine(title)}`);
  }
  return lines;
}

/** `INCOMPLETE (2 of 31 collectors)`, with the figures. */
export function stateLine(report: DumpReport): string {
  const collectors = report.nodes.flatMap(({ collectors }) => collectors);
  const missing = missingOf(report).length;
  const failedNodes = report.nodes.filter(({ failure }) => failure !== undefined).length;
  const files = collectors.flatMap(({ artifacts }) => artifacts).filter(({ sha256 }) => sha256 !== "").length;
  const { peakMemoryBytes } = report.cost;
  const what = [
    ...(missing > 0 ? [`${missing} of ${collectors.length} collectors`] : []),
    ...(failedNodes > 0 ? [`${failedNodes} of ${report.nodes.length} nodes`] : []),
  ].join(", ");
  return [
    report.complete ? `COMPLETE: ${collectors.length} collectors` : `INCOMPLETE: ${what} failed`,
    `${files} files`,
    formatDuration(report.durationMs),
    ...(peakMemoryBytes > 0 ? [`peak memory ${formatSize(peakMemoryBytes)}`] : []),
    `profile ${report.profile}`,
    report.redacted ? "redacted" : "NOT REDACTED",
  ].join(", ");
}

/** Collectors whose evidence is missing, those of all nodes. */
export function missingOf(report: DumpReport): readonly CollectorReport[] {
  return report.nodes.flatMap(({ collectors }) => collectors.filter(({ missing }) => missing));
}

/** All findings, the worst first. */
export function findingsOf(report: DumpReport): readonly (Finding & { readonly node: string })[] {
  const rank = { critical: 0, warning: 1, info: 2 };
  return report.nodes.flatMap((node) => node.findings.map((finding) => ({ ...finding, node: node.id })))
    .toSorted((a, b) => rank[a.severity] - rank[b.severity]);
}

function collectorLines(collector: CollectorReport): readonly string[] {
  const { id, status, durationMs, reason, missing, notes, artifacts } = collector;
  const lines = [`  ${status.padEnd(8)}${missing ? "!" : " "} ${id.padEnd(28)} ${formatDuration(durationMs)}`];
  if (reason !== undefined) lines.push(`      ${oneLine(reason)}`);
  for (const note of notes) lines.push(`      ${note.state}: ${note.about}: ${oneLine(note.text)}`);
  for (const { path, status, bytesIn, bytesOut, redactions, trimmed, taken, reason } of artifacts) {
    const replaced = redactions.reduce((sum, { times }) => sum + times, 0);
    lines.push(
      `      ${path}  ${status === "ok" ? "" : `${status} `}${bytesIn} B in, ${bytesOut} B here` +
        (replaced > 0 ? `, ${replaced} redactions (${redactions.map(({ rule }) => rule).join(", ")})` : "") +
        (trimmed === undefined ? "" : `, oldest ${trimmed.lines} lines (${trimmed.bytes} B) trimmed`) +
        (taken === undefined ? "" : `, of ${taken}`) + (reason === undefined ? "" : `: ${oneLine(reason)}`),
    );
  }
  return lines;
}

/** A text in one line. */
export function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, "; ").trim();
}

const maxShown = 12;
