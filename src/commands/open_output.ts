/** What `agent open` shows. Every name and text of the bundle is escaped: it may be anybody's. */
import type { EntryFacts, Inspection } from "../dump/opening/inspect.ts";
import { shownText } from "../dump/opening/names.ts";
import type { OpenedBundle } from "../dump/opening/open_bundle.ts";
import type { DumpReport } from "../dump/report.ts";
import { findingsOf, headLines, oneLine } from "../dump/report_text.ts";
import { formatSize } from "../formats/duration.ts";

/** One line per entry: size, time, name. */
export function formatList({ entries }: Inspection): string {
  return entries.map((entry) => `${lineOf(entry)}\n`).join("");
}

/** State first, then what is missing, findings with evidence and advice, and the index. */
export function formatReport(inspection: Inspection): string {
  const { report, entries, problems } = inspection;
  const lines = problems.length === 0 ? [] : [`DAMAGED: ${problems.length} problems, see below`, ""];
  if (report === undefined) lines.push("no report in it: not made by agent dump", ...scriptErrors(entries));
  else lines.push(...headOf(report), ...findingLines(report));
  lines.push("", "Files:", ...entries.filter(({ kind }) => kind !== "folder").map(lineOf), "");
  return lines.join("\n");
}

/** `"FILE": age, 12 files, integrity verified`. */
export function formatState(
  name: string,
  { format, protection }: OpenedBundle,
  { entries, manifest, problems }: Inspection,
  extracted: string | undefined,
): string {
  const files = entries.filter(({ kind, refused }) => kind === "file" && refused === undefined);
  const sum = files.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  const proofs = {
    age: "encrypted by age, unchanged",
    hmac: "k3s form, unchanged",
    none: `${format === "k3s" ? "k3s form" : "not encrypted"}, nothing proves that nobody changed it`,
  };
  const sums = {
    verified: "all checksums of its manifest are right",
    none: "no manifest",
    wrong: "NOT as its manifest says",
  };
  const proof = problems.length > 0 && manifest !== "wrong"
    ? "see the problems above"
    : `${proofs[protection]}; ${sums[manifest]}`;
  const where = extracted === undefined ? "" : ` extracted to ${extracted}`;
  return `${shownText(name)}: ${files.length} files, ${formatSize(sum)}${where}; ${proof}`;
}

/** Everything for a program. */
export function formatJson({ format, protection }: OpenedBundle, inspection: Inspection): string {
  const { entries, manifest, problems, report } = inspection;
  return JSON.stringify({
    ok: problems.length === 0,
    format,
    protection,
    manifest,
    problems,
    report: report ?? null,
    entries,
  }) + "\n";
}

function headOf(report: DumpReport): readonly string[] {
  return [
    ...headLines(report).map(shownText),
    shownText(`dump ${report.id} by ${report.program}, started ${report.start}, ${report.nodes.length} nodes`),
  ];
}

function findingLines(report: DumpReport): readonly string[] {
  const findings = findingsOf(report);
  if (findings.length === 0) return [];
  return [
    "",
    "Findings:",
    ...findings.flatMap(({ severity, title, evidence, artifact, advice, node }) => [
      shownText(`  ${severity}: ${oneLine(title)}`),
      ...evidence.slice(0, 10).map((line) => shownText(`    | ${oneLine(line)}`)),
      shownText(`    in nodes/${node}/${artifact}`),
      shownText(`    ${oneLine(advice)}`),
    ]),
  ];
}

/** k3s's script keeps what went to stderr beside what went to stdout, and says no more. */
function scriptErrors(entries: readonly EntryFacts[]): readonly string[] {
  const errors = entries.filter(({ path, sizeBytes }) => path.endsWith(".err.txt") && sizeBytes > 0);
  return errors.length === 0
    ? []
    : ["commands that said something on stderr:", ...errors.map(({ path }) => `  ${path}`)];
}

function lineOf({ path, kind, sizeBytes, modified, refused }: EntryFacts): string {
  const state = refused === undefined ? "" : `  REFUSED: ${refused}`;
  const what = kind === "file" || kind === "folder" ? "" : ` (${kind})`;
  return `${String(sizeBytes).padStart(12)}  ${modified.slice(0, 19)}Z  ${path}${what}${state}`;
}
