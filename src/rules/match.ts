/** The conditions of a rule, compiled. Each says whether the origin alone decides it: then no record is looked at. */
import { parseFacility, parseSeverity } from "../formats/priority.ts";
import type { Origin } from "../pipeline/batch.ts";
import { compileField } from "./field.ts";
import { Pattern } from "./pattern/pattern.ts";
import type { RecordView } from "./record.ts";
import type { RuleSpec } from "./spec.ts";

/** One condition. Pure. */
export interface Condition {
  /** The answer for all records of the origin, or undefined when it takes the record to tell. */
  decide(origin: Origin): boolean | undefined;
  /** The answer for one record. */
  test(record: RecordView): boolean;
}

/** Something wrong in a rule: where, and what. */
export interface RuleProblem {
  /** Keys from the top of the document, for example `["rules", 2, "message", "regex"]`. */
  readonly path: readonly (string | number)[];
  readonly text: string;
}

/** Compiles the conditions of a rule, cheapest first; mistakes go to `report`, by their keys within the rule. */
export function compileConditions(
  spec: RuleSpec,
  report: (path: readonly string[], text: string) => void,
): Condition[] {
  const conditions: Condition[] = [];
  const add = (path: readonly string[], make: () => Condition): void => {
    try {
      conditions.push(make());
    } catch (error) {
      report(path, (error as Error).message);
    }
  };
  const { sources, severity, facilities, programs, hosts, message, fields } = spec;
  if (sources !== undefined) add(["sources"], () => sourceCondition(sources));
  if (severity !== undefined) add(["severity"], () => severityCondition(parseSeverity(severity)));
  if (facilities !== undefined) add(["facilities"], () => facilityCondition(facilities.map(parseFacility)));
  if (programs !== undefined) add(["programs"], () => programCondition(programs));
  if (hosts !== undefined) add(["hosts"], () => hostCondition(hosts));
  const { regex, exclude } = message ?? {};
  if (regex !== undefined) add(["message", "regex"], () => messageCondition(new Pattern(regex), true));
  if (exclude !== undefined) add(["message", "exclude"], () => messageCondition(new Pattern(exclude), false));
  for (const [path, field] of Object.entries(fields ?? {})) add(["fields", path], () => fieldCondition(path, field));
  return conditions;
}

function sourceCondition(names: readonly string[]): Condition {
  return { decide: (origin) => names.includes(origin.source), test: () => true };
}

/** Grave is small: severity 4 means 0 to 4. */
function severityCondition(limit: number): Condition {
  return {
    decide: (origin) => origin.form === "plain" ? (origin.priority & 7) <= limit : undefined,
    test: (record) => (record.priority & 7) <= limit,
  };
}

function facilityCondition(facilities: readonly number[]): Condition {
  return {
    decide: (origin) => origin.form === "plain" ? facilities.includes(origin.priority >> 3) : undefined,
    test: (record) => facilities.includes(record.priority >> 3),
  };
}

/** Compared byte by byte; `postfix` is also the program of `postfix/smtpd`, as rsyslog's `programname` has it. */
function programCondition(programs: readonly string[]): Condition {
  const names = programs.map((name) => encoder.encode(name));
  const hasName = (bytes: Uint8Array, start: number, end: number): boolean =>
    names.some((name) => {
      const stop = start + name.length;
      if (stop > end || (stop < end && bytes[stop] !== slash)) return false;
      for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
      return true;
    });
  const hasText = (text: string): boolean => {
    const bytes = encoder.encode(text);
    return hasName(bytes, 0, bytes.length);
  };
  return {
    decide: (origin) => origin.form === "plain" ? hasText(origin.program) : undefined,
    test: (record) => {
      const { programStart, programEnd } = record.header;
      return programEnd > programStart
        ? hasName(record.bytes, programStart, programEnd)
        : hasText(record.origin.program);
    },
  };
}

function hostCondition(hosts: readonly string[]): Condition {
  const names = hosts.map((host) => host.replaceAll(/[^A-Za-z0-9_*]/g, "\\$&").replaceAll("*", ".*"));
  const pattern = new Pattern(`(?i)^(?:${names.join("|")})$`);
  const hasText = (text: string): boolean => {
    const bytes = encoder.encode(text);
    return pattern.test(bytes, 0, bytes.length);
  };
  return {
    decide: (origin) => origin.form === "plain" ? hasText(origin.host) : undefined,
    test: (record) => {
      const { hostStart, hostEnd } = record.header;
      return hostEnd > hostStart ? pattern.test(record.bytes, hostStart, hostEnd) : hasText(record.origin.host);
    },
  };
}

function messageCondition(pattern: Pattern, wanted: boolean): Condition {
  return {
    decide: () => undefined,
    test: ({ bytes, header }) => pattern.test(bytes, header.messageStart, header.messageEnd) === wanted,
  };
}

function fieldCondition(path: string, spec: NonNullable<RuleSpec["fields"]>[string]): Condition {
  const test = compileField(path, spec);
  return {
    decide: () => undefined,
    test: (record) => {
      const object = record.json();
      return object !== undefined && test(object);
    },
  };
}

const encoder = new TextEncoder();
const slash = 47;
