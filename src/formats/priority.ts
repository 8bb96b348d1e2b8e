/** Severities and facilities: numbers and their names (RFC 5424 section 6.2.1, and the names that syslog.conf knows). */

const severityNames = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"] as const;

const severities: ReadonlyMap<string, number> = new Map([
  ...severityNames.map((name, number): [string, number] => [name, number]),
  ["emerg", 0],
  ["panic", 0],
  ["crit", 2],
  ["err", 3],
  ["warn", 4],
  ["informational", 6],
]);

// deno-fmt-ignore
const facilityNames = [
  "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
  "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
] as const;

const facilities: ReadonlyMap<string, number> = new Map([
  ...facilityNames.map((name, number): [string, number] => [name, number]),
  ["kernel", 0],
  ["security", 4],
]);

/** 0 (emergency) to 7 (debug) of a number or a name. @throws with what is allowed when it is neither */
export function parseSeverity(value: number | string): number {
  const number = numberOf(value, severities);
  if (number === undefined || number > 7) {
    throw new Error(`"${value}" is no severity; write 0 to 7 or one of ${severityNames.join(", ")}`);
  }
  return number;
}

/** 0 (kern) to 23 (local7) of a number or a name. @throws with what is allowed when it is neither */
export function parseFacility(value: number | string): number {
  const number = numberOf(value, facilities);
  if (number === undefined || number > 23) {
    throw new Error(`"${value}" is no facility; write 0 to 23 or one of ${facilityNames.join(", ")}`);
  }
  return number;
}

/** The name of a severity, 0..7. */
export function severityName(severity: number): string {
  return severityNames[severity] ?? String(severity);
}

/** The name of a facility, 0..23. */
export function facilityName(facility: number): string {
  return facilityNames[facility] ?? String(facility);
}

function numberOf(value: number | string, names: ReadonlyMap<string, number>): number | undefined {
  if (typeof value === "number") return Number.isInteger(value) && value >= 0 ? value : undefined;
  return /^\d{1,2}$/.test(value) ? Number(value) : names.get(value.toLowerCase());
}
