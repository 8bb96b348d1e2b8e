/** `agent check`: validates a configuration and everything that it names, before anything depends on it. */
import { ConfigError, UsageError } from "../pipeline/errors.ts";
import type { CommandContext } from "./context.ts";
import { broken, type Finding, findingLine } from "./check/finding.ts";
import { newCommand, parseOptions } from "./options.ts";

interface CheckOptions {
  readonly config?: string;
  readonly tests?: boolean;
  readonly json?: boolean;
  readonly resolved?: boolean;
  readonly schema?: boolean;
  readonly sample?: boolean | string;
  readonly fromRsyslog?: string;
}

const example = `agent check --config /etc/agent/agent.yaml
agent check --sample > agent.yaml
agent check --from-rsyslog /etc/rsyslog.conf > agent.yaml`;

/** Prints one line per finding. Exit code 1 when there is an error among them, 2 when the configuration is wrong. */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const command = newCommand("check", "Checks a configuration, and files, names and peers in it.", example)
    .option("--config <file>", "configuration, YAML or JSON")
    .option("--tests", "run the tests of the rules alone")
    .option("--json", "as JSON")
    .option("--resolved", "print the configuration as the agent understands it, as JSON, and check nothing else")
    .option("--schema", "print the JSON Schema of the configuration, for editors")
    .option("--sample [what]", "print a commented sample of a configuration, or of a kubernetes-audit policy")
    .option("--from-rsyslog <file>", "print a forwarding configuration of rsyslog as one of the agent");
  const parsed = parseOptions<CheckOptions>(command, words, context);
  if (parsed === undefined) return 0;
  const { options } = parsed;
  if (options.schema === true) return await printSchema(context);
  if (options.sample !== undefined) return await printSample(options.sample, context);
  if (options.fromRsyslog !== undefined) {
    return await (await import("./check/from_rsyslog.ts")).printTranslated(options.fromRsyslog, context);
  }
  if (options.config === undefined) {
    throw new UsageError("--config is missing\nTry: agent check --config FILE, or agent check --sample");
  }
  if (options.resolved === true) return await printResolved(options.config, context);
  return await check(options.config, options, context);
}

async function printResolved(path: string, context: CommandContext): Promise<number> {
  const { loadConfig } = await import("../config/load.ts");
  const { encodeResolved } = await import("../config/apart.ts");
  try {
    context.print(encodeResolved({ config: loadConfig(path) }));
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    context.print(encodeResolved({ problems: error.problems }));
    return 2;
  }
}

async function printSchema(context: CommandContext): Promise<number> {
  const { jsonSchema } = await import("../config/schema.ts");
  context.print(JSON.stringify(jsonSchema(), null, 2) + "\n");
  return 0;
}

async function printSample(what: boolean | string, context: CommandContext): Promise<number> {
  if (what === "kubernetes-audit") {
    context.print((await import("./check/audit_policy.ts")).sampleAuditPolicy);
    return 0;
  }
  if (typeof what === "string") {
    throw new UsageError(`--sample "${what}": there is no such sample; allowed: kubernetes-audit, or nothing`);
  }
  const { sampleText } = await import("../config/sample.ts");
  context.print(sampleText());
  return 0;
}

async function check(path: string, options: CheckOptions, context: CommandContext): Promise<number> {
  const { loadConfig } = await import("../config/load.ts");
  const { checkTests, findAll } = await import("./check/run.ts");
  try {
    const config = loadConfig(path);
    const findings = options.tests === true ? checkTests(config) : await findAll(config, path, context.signal);
    report(findings, options, context);
    return findings.some(({ severity }) => severity === "error") ? 1 : 0;
  } catch (error) {
    if (!(error instanceof ConfigError) || options.json !== true) throw error;
    report(error.problems.map((problem) => broken("configuration", problem, "correct the line")), options, context);
    return 2;
  }
}

function report(findings: readonly Finding[], { json }: CheckOptions, context: CommandContext): void {
  const count = (severity: Finding["severity"]): number => findings.filter((one) => one.severity === severity).length;
  const counts = { errors: count("error"), warnings: count("warning") };
  if (json === true) return context.print(JSON.stringify({ ...counts, findings }) + "\n");
  context.print(findings.map((finding) => findingLine(finding) + "\n").join(""));
  context.print(`${counts.errors} errors, ${counts.warnings} warnings\n`);
}
