/** rsyslog's conditions as rules: selectors (`*.info;mail.none`), property filters, and the expressions that are simple enough. */
import { facilityName, parseFacility, parseSeverity, severityName } from "../../formats/priority.ts";
import type { MessageSpec } from "../../rules/spec.ts";
import type { Filter } from "./statements.ts";

/** The conditions of a rule, with names as people write them. */
export interface Conditions {
  readonly programs?: readonly string[];
  readonly severity?: string;
  readonly facilities?: readonly string[];
  readonly hosts?: readonly string[];
  readonly message?: MessageSpec;
}

/** What a filter means: any of these sets of conditions. An empty set is every message. */
export interface Translated {
  readonly anyOf: readonly Conditions[];
  /** Where the rules take more than rsyslog would; for the user. */
  readonly notes: readonly string[];
}

/** Undefined when it cannot be said in rules. */
export function translateFilter(filter: Filter): Translated | undefined {
  try {
    if (filter.kind === "selector") return translateSelector(filter.text);
    if (filter.kind === "property") return exact(translateProperty(filter.text));
    if (filter.kind === "expression") return translateExpression(filter.text);
  } catch {
    // A facility or a severity that does not exist: said as untranslatable.
  }
  return undefined;
}

/** `*.info;mail,news.none;kern.=debug`: later parts override earlier ones (syslog.conf(5)). @throws on unknown names */
export function translateSelector(text: string): Translated {
  const masks = new Array<number>(facilityCount).fill(0);
  for (const part of text.split(";").filter((one) => one.trim() !== "")) applySelector(part.trim(), masks);
  const byMask = new Map<number, number[]>();
  masks.forEach((mask, facility) => byMask.set(mask, [...byMask.get(mask) ?? [], facility]));
  const notes: string[] = [];
  const anyOf: Conditions[] = [];
  for (const [mask, facilities] of byMask) {
    if (mask === 0) continue;
    const least = 31 - Math.clz32(mask);
    if (mask !== upTo(least)) {
      notes.push(`rules take a severity and all graver ones: "${text}" is taken as ${severityName(least)} and graver`);
    }
    anyOf.push({
      ...(facilities.length === facilityCount ? {} : { facilities: facilities.map(facilityName) }),
      ...(least === 7 ? {} : { severity: severityName(least) }),
    });
  }
  return { anyOf, notes };
}

function applySelector(part: string, masks: number[]): void {
  const dot = part.lastIndexOf(".");
  const facilities = part.slice(0, dot).split(",").flatMap((name) =>
    name === "*" ? masks.map((_, facility) => facility) : [parseFacility(name)]
  );
  const [, not, equal, level] = /^(!?)(=?)(.+)$/.exec(part.slice(dot + 1))!;
  if (level === "none") return facilities.forEach((facility) => masks[facility] = 0);
  const severity = level === "*" ? 7 : parseSeverity(level!);
  const mask = equal === "=" ? 1 << severity : upTo(severity);
  for (const facility of facilities) {
    masks[facility] = not === "!" ? masks[facility]! & ~mask : masks[facility]! | mask;
  }
}

/** `:programname, isequal, "sshd"`. */
function translateProperty(text: string): Conditions | undefined {
  const [, property, not, operation, value] = /^:([^,\s]+)\s*,\s*(!?)(\w+)\s*,\s*"((?:[^"\\]|\\.)*)"$/.exec(text) ?? [];
  if (property === undefined) return undefined;
  return comparison(property.toLowerCase(), operation!.toLowerCase(), [value!], not === "!");
}

/** Comparisons joined by `and`, or by `or` alone; anything else is not translated. */
function translateExpression(text: string): Translated | undefined {
  const plain = stripBrackets(text);
  const alternatives = splitAt(plain, "or");
  const anyOf: Conditions[] = [];
  const notes: string[] = [];
  for (const alternative of alternatives) {
    let all: readonly Conditions[] = [{}];
    for (const term of splitAt(stripBrackets(alternative), "and")) {
      const translated = translateTerm(stripBrackets(term));
      if (translated === undefined) return undefined;
      notes.push(...translated.notes);
      const joined = all.flatMap((one) => translated.anyOf.map((other) => join(one, other)));
      if (joined.some((one) => one === undefined)) return undefined;
      all = joined as readonly Conditions[];
    }
    anyOf.push(...all);
  }
  return { anyOf, notes };
}

function translateTerm(term: string): Translated | undefined {
  const selector = /^prifilt\(\s*["'](.+)["']\s*\)$/i.exec(term);
  if (selector !== null) return translateSelector(selector[1]!);
  const match = /^re_match(_i)?\(\s*\$(msg|rawmsg)\s*,\s*(["'])(.*)\3\s*\)\s*(?:(==|!=|<>)\s*([01]))?$/i.exec(term);
  if (match !== null) {
    const wanted = (match[6] ?? "1") === ((match[5] ?? "==") === "==" ? "1" : "0");
    const regex = `${match[1] === undefined ? "" : "(?i)"}${match[4]!.replace(/\\(["'\\$])/g, "$1")}`;
    return exact({ message: wanted ? { regex } : { exclude: regex } });
  }
  const compared = /^\$([\w.-]+)\s*(==|!=|<>|<=|<|contains_i|contains|startswith)\s*(\[.*\]|"[^"]*"|'[^']*'|\d+)$/i
    .exec(term);
  if (compared === null) return undefined;
  const [, property, operation, value] = compared;
  const values = value!.startsWith("[")
    ? [...value!.matchAll(/"([^"]*)"|'([^']*)'/g)].map((one) => one[1] ?? one[2]!)
    : [value!.replace(/^["']|["']$/g, "")];
  const name = { "==": "isequal", "!=": "isequal", "<>": "isequal" }[operation!] ?? operation!.toLowerCase();
  return exact(comparison(property!.toLowerCase(), name, values, operation === "!=" || operation === "<>"));
}

function comparison(
  property: string,
  operation: string,
  values: readonly string[],
  not: boolean,
): Conditions | undefined {
  if (property === "msg" || property === "rawmsg") return messageCondition(operation, values, not);
  if (not) return undefined;
  if (property === "syslogseverity" || property === "syslogseverity-text") {
    const limit = parseSeverity(values[0]!);
    if (operation === "<=") return severityUpTo(limit);
    if (operation === "<" && limit > 0) return severityUpTo(limit - 1);
    return operation === "isequal" && limit === 0 ? severityUpTo(0) : undefined;
  }
  if (operation !== "isequal") return undefined;
  switch (property) {
    case "programname":
    case "app-name":
      return { programs: values };
    case "hostname":
    case "source":
      return { hosts: values };
    case "syslogfacility":
    case "syslogfacility-text":
      return { facilities: values.map((value) => facilityName(parseFacility(value))) };
    default:
      return undefined;
  }
}

function messageCondition(operation: string, values: readonly string[], not: boolean): Conditions | undefined {
  const patterns: Readonly<Record<string, (text: string) => string>> = {
    contains: escapePattern,
    containsi: (text) => `(?i)${escapePattern(text)}`,
    startswith: (text) => `^${escapePattern(text)}`,
    isequal: (text) => `^${escapePattern(text)}$`,
    regex: (text) => text,
    ereregex: (text) => text,
  };
  const pattern = patterns[operation.replace("_", "")];
  if (pattern === undefined) return undefined;
  const regex = values.map(pattern).join("|");
  return { message: not ? { exclude: regex } : { regex } };
}

function severityUpTo(severity: number): Conditions {
  return severity >= 7 ? {} : { severity: severityName(severity) };
}

/** Both; undefined when one rule cannot say that. */
function join(one: Conditions, other: Conditions): Conditions | undefined {
  const message = { ...one.message, ...other.message };
  const clash = Object.keys(other).some((key) => key !== "message" && Object.hasOwn(one, key)) ||
    Object.keys(other.message ?? {}).some((key) => Object.hasOwn(one.message ?? {}, key));
  if (clash) return undefined;
  return { ...one, ...other, ...(Object.keys(message).length === 0 ? {} : { message }) };
}

function exact(conditions: Conditions | undefined): Translated | undefined {
  return conditions === undefined ? undefined : { anyOf: [conditions], notes: [] };
}

/** Splits at a word that stands outside of brackets and quotes. */
function splitAt(text: string, word: "and" | "or"): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (const found of text.matchAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[()[\]]|\b(?:and|or)\b/gi)) {
    if (found[0] === "(" || found[0] === "[") depth++;
    else if (found[0] === ")" || found[0] === "]") depth--;
    else if (depth === 0 && found[0].toLowerCase() === word) {
      parts.push(text.slice(start, found.index).trim());
      start = found.index + found[0].length;
    }
  }
  return [...parts, text.slice(start).trim()];
}

/** Takes away brackets that enclose all of it. */
function stripBrackets(text: string): string {
  const inner = text.trim();
  if (!inner.startsWith("(") || !inner.endsWith(")")) return inner;
  let depth = 0;
  for (const found of inner.matchAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[()]/g)) {
    if (found[0] === "(") depth++;
    else if (found[0] === ")") depth--;
    if (depth === 0 && found.index < inner.length - 1) return inner;
  }
  return stripBrackets(inner.slice(1, -1));
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

/** The bits of a severity and of all graver ones. */
function upTo(severity: number): number {
  return (1 << (severity + 1)) - 1;
}

const facilityCount = 24;
