/** What every dump tells its readers about itself: who may see it, what was replaced, how to go on. */
import type { DumpReport } from "./report.ts";

/** Sentences, one per line. */
export function advicePage(report: DumpReport): readonly string[] {
  const replaced = report.nodes.flatMap(({ collectors }) => collectors)
    .flatMap(({ artifacts }) => artifacts).flatMap(({ redactions }) => redactions)
    .reduce((sum, { times }) => sum + times, 0);
  return [
    report.redacted
      ? `Secrets are masked and names of hosts, users and addresses replaced (${replaced} times). The same name has the ` +
        "same replacement everywhere in this dump. Addresses of one network stay in one network, which tells its shape."
      : "NOTHING IN THIS DUMP IS REDACTED: it holds secrets as they were found. Give it to nobody who may not have them.",
    "It still describes a machine: give it only to people who support that machine, and remove it when they are done.",
    "Times are UTC. A collector is a kind of evidence; missing means that it could not be had, and the reason stands there.",
    report.complete
      ? "All evidence that was asked for is here."
      : "Before sending it on: as root, with a longer --deadline or --timeout, more of it may be there. It is usable as it is.",
  ];
}

/** Meaning of each status, for the legend. */
export const statusWords: Readonly<Record<string, string>> = {
  ok: "all of it is here",
  trimmed: "the oldest lines were cut to keep the size",
  skipped: "nothing for it on this machine, or not run",
  denied: "only another user (root) may read it",
  timeout: "not done at its deadline; what came before is here",
  error: "went wrong; what came before is here",
  dropped: "left out: it could not be made safe, or was too large",
};
