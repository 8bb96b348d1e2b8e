/** Where the agent's own executable is. */
import { UsageError } from "../pipeline/errors.ts";

/** Absolute path of the file that a person starts. @throws {UsageError} for a run from the source, which has none */
export function ownProgram(): string {
  // The self-extracting file says where it is: what runs is the runtime that it unpacked.
  const path = Deno.env.get("AGENT_PROGRAM") ?? Deno.execPath();
  if (/(^|\/)deno$/.test(path)) {
    throw new UsageError("--program is missing: this is a run from the source\nTry: --program /usr/local/bin/agent");
  }
  return path;
}
