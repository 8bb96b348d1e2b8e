/** The rules of a configuration, compiled for an engine, with the secret that its pseudonyms need. */
import { join } from "node:path";
import type { AgentConfig } from "../config/config.ts";
import { compileRules, type RuleSet } from "../rules/rule_set.ts";
import { syncFolder, writeAllSync } from "../system/atomic_file.ts";

/** Compiles the rules. @throws with every mistake, or when the key for pseudonyms can be neither read nor made */
export function openRules(config: AgentConfig): RuleSet {
  const { rules, redact, metadata, sinks, sources, state } = config;
  const needsKey = (redact.presets ?? []).some((preset) => preset !== "secrets");
  return compileRules({ rules, redact, metadata }, {
    sinks: Object.keys(sinks),
    sources: Object.keys(sources),
    unenriched: Object.entries(sinks).filter(([, sink]) =>
      (sink.type === "relp" && sink.template === "gardener") ||
      ("maxRequestRecords" in sink && hasCommonMetadata(config))
    ).map(([name]) => name),
    ...(needsKey ? { pseudonymKey: pseudonymKey(state) } : {}),
  });
}

/**
 * Whether every record has the same metadata: then sinks that know fields send it as fields. Where rules add some of their
 * own, all of it is put into the records themselves.
 */
export function hasCommonMetadata({ rules }: AgentConfig): boolean {
  return rules.every(({ enrich }) => enrich === undefined);
}

/** The key of this machine's pseudonyms: made once, kept beside the positions, readable by the agent alone. */
function pseudonymKey(state: string): Uint8Array {
  const path = join(state, "pseudonym.key");
  try {
    const key = Deno.readFileSync(path);
    if (key.length >= 32) return key;
    throw new Error(
      `Cannot use "${path}": it is damaged (${key.length} bytes)\nTry: remove it; pseudonyms change with it`,
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  Deno.mkdirSync(state, { recursive: true, mode: 0o700 });
  const key = crypto.getRandomValues(new Uint8Array(32));
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  writeAllSync(file, key);
  file.syncSync();
  syncFolder(state);
  return key;
}
