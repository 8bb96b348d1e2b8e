/** The rules as a person writes them: the shape of `rules:`, `redact:` and `tests:` in the configuration. */

/** What is looked for in the text of a message. At least one of the two. */
export interface MessageSpec {
  /** The message must match; see `pattern/` for the syntax. */
  readonly regex?: string;
  /** The message must not match. */
  readonly exclude?: string;
}

/** What is asked of one field of a JSON message. A plain value or a list means: equals it, or one of them. */
export type FieldSpec = string | number | boolean | null | readonly (string | number | boolean | null)[] | {
  readonly equals?: string | number | boolean | null | readonly (string | number | boolean | null)[];
  readonly not?: string | number | boolean | null | readonly (string | number | boolean | null)[];
  readonly regex?: string;
  readonly exists?: boolean;
  /** Smallest number that matches. */
  readonly atLeast?: number;
  /** Largest number that matches. */
  readonly atMost?: number;
};

/** How many records a rule lets through; the rest is suppressed, counted and announced. */
export interface LimitSpec {
  /** Records per interval, ≥ 1. */
  readonly records: number;
  /** Length of the interval in milliseconds, > 0. */
  readonly perMs: number;
  /** What is counted on its own; default: everything that the rule matches together. */
  readonly by?: "program" | "host";
}

/** One rule. Its conditions are ANDed; a rule without any matches every record. */
export interface RuleSpec {
  /** For messages and counters; default `rules[0]`, `rules[1]` … */
  readonly name?: string;
  /** Program names: one of them, spelled exactly. `postfix` also means `postfix/smtpd`. */
  readonly programs?: readonly string[];
  /** This severity or a graver one: 0..7 or a name such as `warning` (RFC 5424 table 2). */
  readonly severity?: number | string;
  /** One of these facilities: 0..23 or names such as `authpriv` (RFC 5424 table 1). */
  readonly facilities?: readonly (number | string)[];
  /** One of these hosts; upper and lower case alike, a leading or trailing `*` stands for anything. */
  readonly hosts?: readonly string[];
  /** One of these sources, by their names in the configuration. */
  readonly sources?: readonly string[];
  readonly message?: MessageSpec;
  /** Fields of JSON messages by dotted path, `\.` for a dot in a name. A message that is no JSON object does not match. */
  readonly fields?: Readonly<Record<string, FieldSpec>>;
  /** Default `ship`. */
  readonly action?: "ship" | "drop";
  /** The sinks that get the record, by name; default: all. */
  readonly route?: readonly string[];
  readonly limit?: LimitSpec;
  /** Added to the records that the rule ships, after the metadata of the whole document. */
  readonly enrich?: Readonly<Record<string, string>>;
}

/** What is made unreadable before anything is written or sent. */
export interface RedactSpec {
  readonly presets?: readonly RedactPreset[];
  /** A pattern, or one with its replacement (default `[redacted]`). With a group `(…)` only the group is replaced. */
  readonly patterns?: readonly (string | { readonly regex: string; readonly replacement?: string })[];
}

/** Ready-made redactions. */
export type RedactPreset = "secrets" | "mac" | "ip";

/** The presets, for schemas and messages. */
export const redactPresets: readonly RedactPreset[] = ["secrets", "mac", "ip"];

/** One entry of `tests:`, run by `agent check --tests`. */
export interface RuleTestSpec {
  readonly name?: string;
  /** A record with its `<PRI>` header, or a bare message, to which the next five keys belong. */
  readonly record: string;
  readonly source?: string;
  readonly host?: string;
  readonly program?: string;
  readonly severity?: number | string;
  readonly facility?: number | string;
  /** The sink that is asked; default: any that no `route` names. */
  readonly sink?: string;
  readonly expect: "ship" | "drop";
  /** Name of the rule that must decide, or `none`. */
  readonly rule?: string;
  /** The record as it must leave, redacted and enriched. */
  readonly output?: string;
}

/** Everything that decides about records. */
export interface RulesSpec {
  readonly rules?: readonly RuleSpec[];
  readonly redact?: RedactSpec;
  /** Added to every record that is shipped. */
  readonly metadata?: Readonly<Record<string, string>>;
}
