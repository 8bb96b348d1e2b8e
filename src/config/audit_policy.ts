/** The audit policy of a Kubernetes API server as data: YAML as the configuration is, and read where YAML is. */
import { parse } from "yaml";
import { concernsOfPolicy, type PolicyConcern } from "../formats/audit_policy.ts";

/** What there is to say about the policy in a file. @throws when it cannot be read or is none */
export function readPolicyConcerns(path: string): readonly PolicyConcern[] {
  return concernsOfPolicy(parse(Deno.readTextFileSync(path)));
}
