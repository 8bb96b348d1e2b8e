/** What the file may say and this version cannot do yet. A line goes away with the commit that wires the part. */
import type { AgentConfig } from "./config.ts";
import { notAvailable } from "./types.ts";

/** One text per key that must not be passed over in silence; none when everything given is done. */
export function unbuiltKeys(config: AgentConfig): readonly string[] {
  const { presets = [], patterns = [] } = config.redact;
  const asked: Readonly<Record<string, boolean>> = {
    rules: config.rules.length > 0,
    redact: presets.length + patterns.length > 0,
    metadata: Object.keys(config.metadata).length > 0,
    status: config.status !== undefined,
    certificate: config.certificate !== undefined,
  };
  return Object.entries(asked).filter(([, given]) => given).map(([key]) => `${key}: ${notAvailable}`);
}
