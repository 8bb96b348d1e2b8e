/** The first files of a bundle: what it is, what is missing, what was found, and the sums of all the others. */
import { createHash } from "node:crypto";
import type { BundleFile } from "./bundle.ts";
import { readmeHtml } from "./readme_html.ts";
import type { DumpReport } from "./report.ts";
import { findingsOf, readmeText, reportText } from "./report_text.ts";

/** README, report, findings, and the manifest over these and `evidence`. */
export function reportFiles(report: DumpReport, evidence: readonly BundleFile[]): readonly BundleFile[] {
  const own: readonly BundleFile[] = [
    file("README.html", readmeHtml(report)),
    file("README.txt", readmeText(report)),
    file("report.txt", reportText(report)),
    file("report.json", json(report)),
    file("findings.json", json({ formatVersion: 1, findings: findingsOf(report) })),
  ];
  const files = [...own, ...evidence].map(({ path, content }) =>
    content instanceof Uint8Array
      ? { path, size: content.length, sha256: createHash("sha256").update(content).digest("hex") }
      : { path, size: content.sizeBytes, sha256: content.sha256 }
  );
  return [...own, file("manifest.json", json({ formatVersion: 1, id: report.id, files }))];
}

function file(path: string, text: string): BundleFile {
  return { path, modified: new Date(), content: new TextEncoder().encode(text) };
}

function json(value: unknown): string {
  return JSON.stringify(value, null, 1) + "\n";
}
