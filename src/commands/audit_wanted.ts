/** Which audit rules are wanted: of a folder, of an Auditd document, or those that Gardener gives. */
import { join } from "node:path";
import { defaultRules, ownRulesName, type RuleFiles } from "../audit_rules/default_rules.ts";
import { readRuleFiles } from "../audit_rules/rules_folder.ts";
import { failure } from "../pipeline/errors.ts";

/** Where they come from. */
export interface WantedRules {
  /** A folder with `*.rules` and Auditd documents (`auditd`, `*.yaml`), or the file of one. */
  readonly path?: string;
  /** Rules in themselves. */
  readonly rules?: string;
}

/** Reads them. @throws when there is nothing there, or a document is wrong */
export async function readWanted({ path, rules }: WantedRules): Promise<RuleFiles> {
  if (path === undefined && rules === undefined) return defaultRules;
  const own = rules === undefined ? {} : { [ownRulesName]: withNewline(rules) };
  return path === undefined ? own : { ...await readPath(path), ...own };
}

async function readPath(path: string): Promise<RuleFiles> {
  try {
    if (Deno.statSync(path).isFile) return await readFile(path);
    const documents = [...Deno.readDirSync(path)].filter(({ name }) => /^auditd$|\.ya?ml$/.test(name)).map(({ name }) =>
      join(path, name)
    );
    if (documents.length > 1) throw new Error("there are several Auditd documents; a node has one");
    const own = documents[0] === undefined ? {} : await readFile(documents[0]);
    return { ...readRuleFiles(path), ...own };
  } catch (error) {
    throw failure("read audit rules", `"${path}"`, error, "name a folder with *.rules, or an Auditd document");
  }
}

async function readFile(path: string): Promise<RuleFiles> {
  if (Deno.statSync(path).size > maxFileBytes) throw new Error(`it is longer than ${maxFileBytes} bytes`);
  const text = Deno.readTextFileSync(path);
  if (!/^\s*kind:/m.test(text)) return { [ownRulesName]: text };
  const { readAuditd } = await import("../config/gardener/read.ts"); // YAML takes memory that a shipper keeps
  return { [ownRulesName]: withNewline(readAuditd(text)) };
}

function withNewline(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}

const maxFileBytes = 1024 * 1024;
