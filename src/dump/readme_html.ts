/** `README.html`: one page that needs nothing but itself. What is wrong stands before what is there. */
import { formatDuration, formatSize } from "../formats/duration.ts";
import { nodePath } from "./evidence.ts";
import { style } from "./readme_style.ts";
import type { ArtifactReport, CollectorReport, DumpReport, Finding, NodeReport } from "./report.ts";
import { findingsOf, missingOf } from "./report_text.ts";
import { advicePage, statusWords } from "./report_words.ts";

/** The page. All that comes from the machine is escaped; nothing is loaded, nothing is run. */
export function readmeHtml(report: DumpReport): string {
  const findings = findingsOf(report);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>${escape(title(report))}</title><style>${style}</style></head><body><main>
${banner(report, findings)}
${missing(report)}
${found(findings, report)}
${report.nodes.map((node) => nodeIndex(node, report.nodes.length > 1)).join("\n")}
${about(report)}
</main></body></html>
`;
}

function title(report: DumpReport): string {
  return `${report.complete ? "complete" : "incomplete"} dump of ${nodeNames(report)}`;
}

function nodeNames(report: DumpReport): string {
  return report.nodes.map(({ id }) => id === "." ? report.id : id).join(", ");
}

function banner(report: DumpReport, findings: readonly Finding[]): string {
  const count = (severity: string): number => findings.filter((one) => one.severity === severity).length;
  const lacking = missingOf(report).length + report.nodes.filter(({ failure }) => failure !== undefined).length;
  const chips = [
    chip(count("critical"), "critical", "critical"),
    chip(count("warning"), "warning", count("warning") === 1 ? "warning" : "warnings"),
    chip(count("info"), "info", count("info") === 1 ? "note" : "notes"),
    chip(lacking, "lacking", "missing"),
  ].join("");
  const unredacted = report.redacted
    ? ""
    : `<p class="alarm">Not redacted: this dump holds secrets as they were found.</p>`;
  return `<header><p class="kind">Diagnostics dump · ${
    escape(report.start.replace("T", " ").replace(/\.\d+Z$/, " UTC"))
  }</p>
<h1>${escape(nodeNames(report))} <span class="state ${report.complete ? "good" : "bad"}">${
    report.complete ? "evidence complete" : "evidence incomplete"
  }</span></h1>
<p class="chips">${chips || `<span class="chip good">nothing found wrong</span>`}</p>${
    inShort(findings)
  }${unredacted}</header>`;
}

/** The titles alone, where reading them one by one would take longer. */
function inShort(findings: readonly Finding[]): string {
  if (findings.length < 2) return "";
  const rows = findings.slice(0, shownTitles).map(({ severity, title }, i) =>
    `<li><a class="${severity}" href="#finding-${i + 1}">${escape(title)}</a></li>`
  );
  const rest = findings.length > shownTitles ? `<li>and ${findings.length - shownTitles} more below</li>` : "";
  return `<ol class="short">${rows.join("")}${rest}</ol>`;
}

function chip(count: number, kind: string, word: string): string {
  return count === 0
    ? ""
    : `<a class="chip ${kind}" href="#${kind === "lacking" ? "missing" : "findings"}">${count} ${word}</a>`;
}

function missing(report: DumpReport): string {
  const rows = report.nodes.flatMap((node) => [
    ...(node.failure === undefined ? [] : [missingRow(node.id, "no dump of this machine", node.failure)]),
    ...node.collectors.filter(({ missing }) => missing).map((one) => missingCollector(node, one)),
  ]);
  if (rows.length === 0) return "";
  const shown = rows.slice(0, shownMissing).join("");
  const rest = rows.slice(shownMissing);
  const more = rest.length === 0
    ? ""
    : `<details><summary>${rest.length} more</summary><ul class="rows">${rest.join("")}</ul></details>`;
  return `<section id="missing"><h2>Missing</h2><ul class="rows">${shown}</ul>${more}</section>`;
}

function missingCollector(node: NodeReport, { id, status, reason, notes, artifacts }: CollectorReport): string {
  const error = artifacts.find(({ path, sha256 }) => path.endsWith(".error") && sha256 !== "");
  const text = reason ?? notes[0]?.text ?? statusWords[status] ?? status;
  const link = error === undefined ? "" : ` <a href="${href(node.id, error.path)}">details</a>`;
  return missingRow(id, status, text, link);
}

function missingRow(what: string, state: string, text: string, link = ""): string {
  const [first, ...rest] = text.split("\n");
  const hint = rest.length === 0 ? "" : `<span class="hint">${escape(rest.join(" "))}</span>`;
  return `<li><b>${escape(what)}</b> <span class="tag">${escape(state)}</span> ${escape(first!)}${hint}${link}</li>`;
}

function found(findings: readonly (Finding & { readonly node: string })[], report: DumpReport): string {
  if (findings.length === 0) {
    return `<section id="findings"><h2>Findings</h2><p>No analyser found anything wrong in what was gathered.</p></section>`;
  }
  const many = report.nodes.length > 1;
  const cards = findings.map((one, i) => findingCard(one, i + 1, many, report)).join("");
  return `<section id="findings"><h2>Findings</h2>${cards}</section>`;
}

function findingCard(
  finding: Finding & { readonly node: string },
  number: number,
  many: boolean,
  report: DumpReport,
): string {
  const { severity, title, evidence, advice, artifact, node } = finding;
  const lines = evidence.length === 0 ? "" : `<pre>${escape([...new Set(evidence)].slice(0, 10).join("\n"))}</pre>`;
  const files = new Set(
    report.nodes.filter(({ id }) => id === node).flatMap(({ collectors }) => collectors)
      .flatMap(({ artifacts }) => artifacts).filter(({ sha256 }) => sha256 !== "").map(({ path }) => path),
  );
  const link = files.has(artifact) ? `<p class="source">Seen in ${fileLink(node, artifact)}</p>` : "";
  // A file that the advice names is one click away.
  const hint = advice.split(/([\w./-]+)/).map((part) => files.has(part) ? fileLink(node, part) : escape(part)).join("");
  const where = many ? ` <span class="node">${escape(node)}</span>` : "";
  return `<article id="finding-${number}" class="${severity}"><h3><span class="tag">${severity}</span> ${
    escape(title)
  }${where}</h3>${lines}<p><b>Do:</b> ${hint}</p>${link}</article>`;
}

function fileLink(node: string, path: string): string {
  return `<a href="${href(node, path)}">${escape(path)}</a>`;
}

function nodeIndex(node: NodeReport, many: boolean): string {
  const groups = [...Map.groupBy(node.collectors, ({ id }) => id.split("/")[0]!)];
  if (groups.length === 0) return "";
  const hasFiles = ([, collectors]: typeof groups[number]): boolean =>
    collectors.some(({ artifacts, missing }) => missing || artifacts.length > 0);
  const parts = groups.filter(hasFiles).map(([name, collectors]) => groupIndex(node.id, name, collectors)).join("");
  const empty = groups.filter((one) => !hasFiles(one)).flatMap(([, collectors]) => collectors);
  const none = empty.length === 0
    ? ""
    : `<details><summary class="quiet">Nothing here for ${
      escape(empty.map(({ id }) => id).join(", "))
    }</summary><table>${empty.map((one) => collectorRows(node.id, one)).join("")}</table></details>`;
  return `<section><h2>Files${many ? ` of ${escape(node.id)}` : ""}</h2>${parts}${none}</section>`;
}

function groupIndex(nodeId: string, name: string, collectors: readonly CollectorReport[]): string {
  const files = collectors.flatMap(({ artifacts }) => artifacts).filter(({ sha256 }) => sha256 !== "");
  const sizeBytes = files.reduce((sum, { bytesOut }) => sum + bytesOut, 0);
  const rows = collectors.map((one) => collectorRows(nodeId, one)).join("");
  return `<details><summary><b>${escape(name)}</b> <span class="quiet">${files.length} ${
    files.length === 1 ? "file" : "files"
  }, ${formatSize(sizeBytes)}</span></summary><table>${rows}</table></details>`;
}

function collectorRows(nodeId: string, collector: CollectorReport): string {
  const { id, summary, status, durationMs, reason, artifacts } = collector;
  const why = reason === undefined ? "" : ` — ${escape(reason.split("\n", 1)[0]!)}`;
  const head =
    `<tr class="head"><th colspan="3">${escape(id)} <span class="quiet">${escape(summary)}${why}</span></th><td>` +
    `<span class="tag ${status}">${status}</span></td><td class="number">${formatDuration(durationMs)}</td></tr>`;
  return head + artifacts.map((artifact) => artifactRow(nodeId, artifact)).join("");
}

function artifactRow(nodeId: string, artifact: ArtifactReport): string {
  const { path, origin, bytesOut, sha256, status, trimmed, taken, redactions } = artifact;
  const name = sha256 === "" ? escape(path) : `<a href="${href(nodeId, path)}">${escape(path)}</a>`;
  const replaced = redactions.reduce((sum, { times }) => sum + times, 0);
  const notes = [
    ...(trimmed === undefined ? [] : [`oldest ${trimmed.lines} lines cut`]),
    ...(taken === undefined ? [] : [`of ${taken.replace("T", " ").replace(/\.\d+Z$/, "Z")}`]),
    ...(replaced === 0 ? [] : [`${replaced} replaced`]),
  ].join(", ");
  return `<tr><td>${name}</td><td class="quiet">${escape(origin === path ? "" : origin)}</td><td class="quiet">${
    escape(notes)
  }</td><td>${status === "ok" ? "" : `<span class="tag ${status}">${status}</span>`}</td><td class="number">${
    formatSize(bytesOut)
  }</td></tr>`;
}

function about(report: DumpReport): string {
  const { cost, durationMs, profile, id, program } = report;
  const legend = Object.entries(statusWords).map(([word, text]) =>
    `<dt><span class="tag ${word}">${word}</span></dt><dd>${text}</dd>`
  ).join("");
  const facts = `${escape(program)} · id ${escape(id)} · profile ${profile} · took ${formatDuration(durationMs)} · ` +
    `${cost.jobs} collectors at a time · peak memory ${
      cost.peakMemoryBytes === 0 ? "unknown" : formatSize(cost.peakMemoryBytes)
    }`;
  return `<section><h2>How to read this</h2>${advicePage(report).map((line) => `<p>${escape(line)}</p>`).join("")}
<p><a href="report.txt">report.txt</a> has every collector, file, time and reason; <a href="report.json">report.json</a> and
<a href="findings.json">findings.json</a> the same for programs; <a href="manifest.json">manifest.json</a> size and SHA-256 of
every file. NAME.error beside a file says why NAME is missing or not whole.</p><dl>${legend}</dl><p class="quiet">${facts}</p></section>`;
}

function href(nodeId: string, path: string): string {
  return escape(nodePath(nodeId, path).split("/").map(encodeURIComponent).join("/"));
}

/** Text in HTML; control characters, which a terminal or editor might obey, become visible. */
function escape(text: string): string {
  const names: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  // deno-lint-ignore no-control-regex
  const visible = text.replaceAll(/[\x00-\x08\x0b-\x1f\x7f]/g, "\ufffd");
  return visible.replaceAll(/[&<>"']/g, (char) => names[char]!);
}

const shownMissing = 6;
const shownTitles = 8;
