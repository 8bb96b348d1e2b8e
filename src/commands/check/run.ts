/** All checks of a configuration that can be read. */
import type { AgentConfig } from "../../config/config.ts";
import { errorText } from "../../pipeline/errors.ts";
import { compileRules } from "../../rules/rule_set.ts";
import { runRuleTests } from "../../rules/rule_tests.ts";
import { warningOfAccess } from "../../status/server/access.ts";
import { checkAuditRules } from "./audit_rules.ts";
import { checkCredentials } from "./credentials.ts";
import { broken, type Finding, fine, warning } from "./finding.ts";
import { checkMachine } from "./machine.ts";
import { checkSinks } from "./sinks.ts";
import { checkSources } from "./sources.ts";

/** Everything there is to find, in the order of the document. `signal` cuts what waits for a peer. */
export async function findAll(config: AgentConfig, path: string, signal: AbortSignal): Promise<readonly Finding[]> {
  const sinks = checkSinks(config, signal);
  const parts = `${Object.keys(config.sources).length} sources, ${Object.keys(config.sinks).length} sinks`;
  const credentials = checkCredentials(config, Date.now());
  const unusable = credentials.filter(({ severity }) => severity === "error").map(({ subject }) => subject);
  return [
    fine("configuration", `${path}: ${parts}, ${config.rules.length} rules`),
    ...checkMachine(config),
    ...checkStatus(config),
    ...checkSources(config),
    ...checkTests(config),
    ...await checkAuditRules(config),
    ...credentials,
    // A sink whose own certificate cannot be used is not reachable either: that is one mistake, not two.
    ...(await sinks).filter(({ severity, subject }) => severity === "ok" || !unusable.includes(`${subject}.tls`)),
  ];
}

/** What the document expects of its own rules. */
export function checkTests({ rules, redact, metadata, tests }: AgentConfig): readonly Finding[] {
  if (tests.length === 0) return [];
  try {
    const findings = runRuleTests(compileRules({ rules, redact, metadata }), tests);
    if (findings.length === 0) return [fine("tests", `${tests.length} hold`)];
    return findings.map(({ test, text }) => broken(`tests "${test}"`, text, "correct the rule or the test"));
  } catch (error) {
    return [broken("rules", errorText(error), "correct the rule")];
  }
}

function checkStatus({ status }: AgentConfig): readonly Finding[] {
  const text = status === undefined ? undefined : warningOfAccess(status);
  return text === undefined ? [] : [warning("status.listen", text, "set status.tls, or listen on 127.0.0.1")];
}
