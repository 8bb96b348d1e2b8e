/** Where a command without a configuration keeps its state. */
import { join } from "node:path";
import { createHash } from "node:crypto";

/**
 * A folder for a command in its quick form: the same words find the same folder again, other words another one, so that
 * several can run side by side and each goes on where it was.
 */
export function quickStateFolder(words: readonly string[]): string {
  const digest = createHash("sha256").update(words.join("\0")).digest("hex").slice(0, 12);
  return join(baseFolder(), `quick-${digest}`);
}

function baseFolder(): string {
  if (Deno.uid() === 0) return "/var/lib/agent";
  const home = Deno.env.get("XDG_STATE_HOME") ?? join(Deno.env.get("HOME") ?? ".", ".local/state");
  return join(home, "agent");
}
