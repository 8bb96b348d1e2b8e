/** What the file may say and this version cannot do yet. A line goes away with the commit that wires the part. */
import type { AgentConfig } from "./config.ts";
import { notAvailable } from "./types.ts";

/** One text per key that must not be passed over in silence; none when everything given is done. */
export function unbuiltKeys(config: AgentConfig): readonly string[] {
  const asked: Readonly<Record<string, boolean>> = {
    status: config.status !== undefined,
  };
  return Object.entries(asked).filter(([, given]) => given).map(([key]) => `${key}: ${notAvailable}`);
}
