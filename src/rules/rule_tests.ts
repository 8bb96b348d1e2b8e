/** The `tests:` of a configuration: records, and what is expected to become of them. Pure. */
import { parseFacility, parseSeverity } from "../formats/priority.ts";
import { priorityAt } from "../formats/syslog.ts";
import { type Batch, batchOfLines } from "../pipeline/batch.ts";
import type { RuleSet } from "./rule_set.ts";
import type { RuleTestSpec } from "./spec.ts";

/** One expectation that did not hold. */
export interface RuleTestFinding {
  /** Index in `tests:`. */
  readonly index: number;
  /** The name of the test, or `tests[0]`. */
  readonly test: string;
  /** What was expected, and what came. */
  readonly text: string;
}

/** Runs all tests; empty when every expectation holds. Limits are left aside: a test looks at one record alone. */
export function runRuleTests(ruleSet: RuleSet, tests: readonly RuleTestSpec[]): readonly RuleTestFinding[] {
  return tests.flatMap((test, index) => {
    const name = test.name ?? `tests[${index}]`;
    try {
      return problems(ruleSet, test).map((text) => ({ index, test: name, text }));
    } catch (error) {
      return [{ index, test: name, text: (error as Error).message }];
    }
  });
}

function problems(ruleSet: RuleSet, test: RuleTestSpec): string[] {
  const sink = test.sink ?? "";
  const batch = ruleSet.redact(batchOf(test));
  if (batch.count === 0) return ["redaction failed, so the record would be dropped"];
  const { outcome, rule } = ruleSet.decide(batch, 0, sink);
  const texts: string[] = [];
  const by = rule === undefined ? "no rule matches" : `${rule} decides`;
  if (outcome !== test.expect) texts.push(`expected ${test.expect}, got ${outcome} (${by})`);
  if (test.rule !== undefined && test.rule !== (rule ?? "none")) {
    texts.push(`expected that ${test.rule} decides, but ${by}`);
  }
  if (test.output === undefined) return texts;
  const output = ruleSet.preview(batch, 0, sink);
  const text = output === undefined ? undefined : new TextDecoder().decode(output);
  if (text !== test.output) {
    texts.push(
      text === undefined
        ? "expected an output, but the record is dropped"
        : `expected output ${JSON.stringify(test.output)}, got ${JSON.stringify(text)}`,
    );
  }
  return texts;
}

/** A batch of the one record, whatever line ends it has inside. */
function batchOf(test: RuleTestSpec): Batch {
  const bytes = new TextEncoder().encode(test.record);
  const hasHeader = priorityAt(bytes, 0, bytes.length) >= 0;
  const facility = parseFacility(test.facility ?? "user");
  const severity = parseSeverity(test.severity ?? "notice");
  const batch = batchOfLines([""], {
    source: test.source ?? "",
    host: test.host ?? "localhost",
    program: test.program ?? "test",
    priority: 8 * facility + severity,
    form: hasHeader ? "syslog" : "plain",
    readAtMs: 0,
  });
  return { ...batch, bytes, bounds: new Uint32Array([0, bytes.length]), packed: false };
}
