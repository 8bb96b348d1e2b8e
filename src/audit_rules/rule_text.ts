/** Whether a text can be audit rules at all: looked at before a file of the node is touched. Pure. */

/**
 * Why `text` cannot be a file of audit rules, undefined when it can. Each line is empty, a comment, or options of
 * auditctl(8); options that are for the command line alone, and would make a load answer instead of act, are none.
 * @param name of the file, for the message
 */
export function complaintOfRules(name: string, text: string): string | undefined {
  if (text.length > maxChars) return `"${name}" is longer than ${maxChars} characters`;
  if (text.includes("\0") || text.includes("\uFFFD")) return `"${name}" is not text`;
  for (const [i, line] of text.split("\n").entries()) {
    const words = line.trim();
    if (words === "" || words.startsWith("#")) continue;
    if (!ruleStart.test(words)) return `"${name}" line ${i + 1} is not a rule of auditctl`;
    if (words.length > maxLineChars) return `"${name}" line ${i + 1} is longer than ${maxLineChars} characters`;
  }
  if (text.length > 0 && !text.endsWith("\n")) return `"${name}" has no newline at its end: it may be half a file`;
  return undefined;
}

/** Whether any line of the text is a rule or a setting. */
export function hasRules(text: string): boolean {
  return text.split("\n").some((line) => ruleStart.test(line.trim()));
}

/** What a line may begin with (auditctl(8)); `-s`, `-l`, `-R`, `-v` and `-m` are for people. */
const ruleStart =
  /^(?:-[aAdDwWbefrFipSkCcqt](?:\s|$)|--(?:backlog_wait_time|loginuid-immutable|reset-lost|reset_backlog_wait_time_actual)\b)/;
/** What auditctl reads per line (MAX_AUDIT_MESSAGE_LENGTH). */
const maxLineChars = 8_192;
const maxChars = 1024 * 1024;
