/** `agent audit`: the audit rules of this node, in step with a folder, or as they were before. */
import { auditRulesDefaults } from "../config/defaults.ts";
import {
  applyRules,
  type NodeOptions,
  readRulesStatus,
  revertRules,
  type RulesOutcome,
} from "../audit_rules/node_rules.ts";
import { UsageError } from "../pipeline/errors.ts";
import { readWanted } from "./audit_wanted.ts";
import type { CommandContext } from "./context.ts";
import { newCommand, parseOptions } from "./options.ts";

interface AuditWords {
  readonly rulesDir?: string;
  readonly root: string;
  readonly metricFile: string;
  readonly json?: boolean;
}

const example = `agent audit apply --rules-dir /etc/agent/audit-rules
agent audit status
agent audit revert`;

/**
 * Exit code 0 when the kernel has the rules, 3 when only the files are in step (no audit in this kernel, locked rules,
 * another root), 1 when the kernel refused them and the old ones were put back.
 */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const command = newCommand("audit", "Keeps the audit rules of this node: apply, revert or status.", example)
    .argument("<action>", "apply, revert or status")
    .option("--rules-dir <path>", "folder with *.rules, or an Auditd document (default: the rules of Gardener)")
    .option("--root <dir>", "disk of the node; another one than / gets files alone", "/")
    .option("--metric-file <file>", "for node_exporter, where its folder is there", auditRulesDefaults.metricFile)
    .option("--json", "as JSON");
  const parsed = parseOptions<AuditWords>(command, words, context);
  if (parsed === undefined) return 0;
  const { options, args: [action] } = parsed;
  const node: NodeOptions = { root: options.root, metricFile: options.metricFile };
  switch (action) {
    case "apply":
      return report(await applyRules(await readWanted(wantedOf(options)), node), "in step", options, context);
    case "revert":
      return report(await revertRules(node), "as they were before", options, context);
    case "status":
      return await status(node, options, context);
    default:
      throw new UsageError(`"${action}" is not known\nTry: agent audit apply, revert or status`);
  }
}

function report(outcome: RulesOutcome, state: string, { json }: AuditWords, context: CommandContext): number {
  const { changed, load, text } = outcome;
  const files = load === "failed" ? "refused by the kernel, and the old ones put back" : state;
  const said = text === "" ? "" : `; ${load === "absent" ? "not loaded: " : ""}${text}`;
  context.print(
    json === true
      ? JSON.stringify(outcome) + "\n"
      : `audit rules: ${files}${changed ? " (changed)" : ""}${load === "loaded" ? ", loaded" : ""}${said}\n`,
  );
  return load === "failed" ? 1 : load === "absent" ? 3 : 0;
}

async function status(node: NodeOptions, options: AuditWords, context: CommandContext): Promise<number> {
  const wanted = options.rulesDir === undefined ? undefined : await readWanted(wantedOf(options));
  const found = readRulesStatus(node, wanted);
  const { kept, files, inStep, loaded, text } = found;
  const state = `${kept ? "kept by the agent" : "not kept"}, ${inStep ? "in step" : "not in step"}, ${
    loaded ? "loaded" : "not loaded"
  }`;
  context.print(
    options.json === true
      ? JSON.stringify(found) + "\n"
      : `audit rules: ${state}${text === "" ? "" : `: ${text}`}\n${files.map((name) => `  ${name}\n`).join("")}`,
  );
  return loaded ? 0 : 3;
}

function wantedOf({ rulesDir }: AuditWords): { path?: string } {
  return rulesDir === undefined ? {} : { path: rulesDir };
}
