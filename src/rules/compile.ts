/** From the configuration to compiled parts, with every mistake on the way. */
import { Enrichment } from "./enrich.ts";
import { compileConditions, type Condition, type RuleProblem } from "./match.ts";
import { compileRedactor, type Redactor } from "./redact.ts";
import type { LimitSpec, RulesSpec } from "./spec.ts";

/** What the rules need to know of the rest of the configuration. */
export interface RuleContext {
  /** Names of all sinks and sources, to find misspelt ones; without them nothing is checked. */
  readonly sinks?: readonly string[];
  readonly sources?: readonly string[];
  /** At least 16 secret bytes for the pseudonyms of addresses, kept in the state folder; without them no pseudonyms. */
  readonly pseudonymKey?: Uint8Array;
  /** Names of sinks that write metadata in places of their own: their records get none from the rules. */
  readonly unenriched?: readonly string[];
}

/** One rule, ready for use. */
export interface CompiledRule {
  readonly name: string;
  readonly conditions: readonly Condition[];
  readonly ships: boolean;
  readonly route: ReadonlySet<string> | undefined;
  readonly limit: LimitSpec | undefined;
  readonly enrichment: Enrichment | undefined;
}

/** All rules, ready for use, and everything that is wrong with them. */
export interface Compiled {
  readonly problems: readonly RuleProblem[];
  readonly rules: readonly CompiledRule[];
  readonly redactor: Redactor | undefined;
  /** The metadata of the whole document, for records that no rule matched. */
  readonly enrichment: Enrichment | undefined;
}

/** Compiles everything; what is wrong is among the problems and left out of the rest. */
export function compileParts(spec: RulesSpec, context: RuleContext): Compiled {
  const problems: RuleProblem[] = [];
  const report = (problem: RuleProblem): void => void problems.push(problem);
  const rules = (spec.rules ?? []).map((rule, index): CompiledRule => {
    const at = (path: readonly string[], text: string): void => report({ path: ["rules", index, ...path], text });
    checkNames(rule.route, context.sinks, (text) => at(["route"], text));
    checkNames(rule.sources, context.sources, (text) => at(["sources"], text));
    if (rule.limit !== undefined && !(rule.limit.records >= 1 && rule.limit.perMs > 0)) {
      at(["limit"], "needs at least one record and an interval longer than nothing");
    }
    const metadata = { ...spec.metadata, ...rule.enrich };
    return {
      name: rule.name ?? `rules[${index}]`,
      conditions: compileConditions(rule, at),
      ships: rule.action !== "drop",
      route: rule.route === undefined ? undefined : new Set(rule.route),
      limit: rule.limit,
      enrichment: Object.keys(metadata).length === 0 ? undefined : new Enrichment(metadata),
    };
  });
  const redactor = compileRedactor(spec.redact, context.pseudonymKey, report);
  const enrichment = Object.keys(spec.metadata ?? {}).length === 0 ? undefined : new Enrichment(spec.metadata!);
  return { problems, rules, redactor, enrichment };
}

function checkNames(
  names: readonly string[] | undefined,
  known: readonly string[] | undefined,
  report: (text: string) => void,
): void {
  for (const name of names ?? []) {
    if (known !== undefined && !known.includes(name)) {
      report(`"${name}" is not configured; there ${known.length === 1 ? "is" : "are"} ${known.join(", ") || "none"}`);
    }
  }
}
