/** A changelog of commit subjects: `area: what`, grouped by area. */

/**
 * Markdown of `log`, whose lines are a date, a tab and a subject, newest first (`git log --format=%cs%x09%s`). Areas stand in the
 * order of their names, and merges and fixups are left out. Two subjects that are the same stand once.
 */
export function changelogOf(version: string, log: string): string {
  const areas = new Map<string, Set<string>>();
  let newest = "";
  for (const line of log.split("\n")) {
    const tab = line.indexOf("\t");
    if (tab < 0) continue;
    newest ||= line.slice(0, tab);
    const subject = line.slice(tab + 1).trim();
    if (subject === "" || /^(Merge |Revert "|fixup!|squash!)/.test(subject)) continue;
    const [, area, what] = /^([\w,. /-]{1,40}): (.+)$/.exec(subject) ?? [undefined, "other", subject];
    const name = area!.toLowerCase();
    areas.set(name, (areas.get(name) ?? new Set()).add(what!));
  }
  const parts = [...areas].sort(([a], [b]) => a < b ? -1 : 1).map(([area, whats]) =>
    `## ${area}\n\n${[...whats].map((what) => `- ${withoutMarkup(what)}\n`).join("")}`
  );
  return [`# agent ${version}${newest === "" ? "" : ` (${newest})`}\n`, ...parts].join("\n");
}

/** A subject is text: what Markdown would take for markup is shown as it stands. */
function withoutMarkup(text: string): string {
  return text.replaceAll(/[\\<>*_[\]]/g, "\\$&");
}
