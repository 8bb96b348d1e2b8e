/** The audit rules that `ship` is to keep: whether they can be read, are rules, and have a place. */
import { join } from "node:path";
import { complaintOfRules } from "../../audit_rules/rule_text.ts";
import { exists } from "../../audit_rules/rules_folder.ts";
import type { AgentConfig } from "../../config/config.ts";
import { errorText } from "../../pipeline/errors.ts";
import { readWanted } from "../audit_wanted.ts";
import { broken, type Finding, fine, warning } from "./finding.ts";

/** Looks at the key `auditRules`; changes nothing. */
export async function checkAuditRules({ auditRules }: AgentConfig): Promise<readonly Finding[]> {
  if (auditRules === undefined) return [];
  try {
    const files = Object.entries(await readWanted(auditRules));
    const complaints = files.flatMap(([name, text]) => complaintOfRules(name, text) ?? []);
    if (complaints.length > 0) return complaints.map((text) => broken("auditRules", text, "correct the file"));
    if (!exists(join(auditRules.root, "etc/audit"))) {
      return [warning("auditRules", "there is no /etc/audit on this node", "install auditd, or take the key away")];
    }
    return [fine("auditRules", `${files.length} files: ${files.map(([name]) => name).join(", ")}`)];
  } catch (error) {
    return [broken("auditRules", errorText(error), "name a folder with *.rules, or an Auditd document")];
  }
}
