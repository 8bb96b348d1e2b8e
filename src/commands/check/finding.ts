/** What `agent check` finds, one line each. */

/** `error`: it will not work · `warning`: it may not work, or not for long · `ok`: looked at, and fine. */
export type Severity = "ok" | "warning" | "error";

/** One finding. */
export interface Finding {
  readonly severity: Severity;
  /** What was looked at: a key of the configuration, or a word for the machine (`clock`). */
  readonly subject: string;
  readonly text: string;
  /** What to do; there is one for everything that is not fine. */
  readonly advice?: string;
}

/** It is fine. */
export function fine(subject: string, text: string): Finding {
  return { severity: "ok", subject, text };
}

/** It may not work, or not for long. */
export function warning(subject: string, text: string, advice: string): Finding {
  return { severity: "warning", subject, text, advice };
}

/** It will not work. Of a message with a `Try:` line, that is the advice. */
export function broken(subject: string, message: string, advice: string): Finding {
  const [text, own] = message.split("\nTry: ");
  return { severity: "error", subject, text: text!.replaceAll(/\s*\n\s*/g, "; "), advice: own ?? advice };
}

/** The finding on one line. */
export function findingLine({ severity, subject, text, advice }: Finding): string {
  return `${severity.padEnd(7)} ${subject}: ${text}${advice === undefined ? "" : `; try: ${advice}`}`;
}
