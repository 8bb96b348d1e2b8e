/** What `ship` keeps for a dump on a dying machine, where the key `dump.precache` asks for it. */
import { join } from "node:path";
import type { AgentConfig } from "../config/config.ts";
import { collectors } from "../dump/collectors/mod.ts";
import { readMachine } from "../dump/machine.ts";
import { PrecacheStore, refreshPrecache } from "../dump/precache.ts";
import type { Redactor } from "../dump/redaction.ts";
import { openRedactor } from "../dump/redaction/redactor.ts";
import { pause } from "../pipeline/backoff.ts";
import { errorText } from "../pipeline/errors.ts";
import { openLog } from "../system/log.ts";
import { findConfig } from "./dump_config.ts";
import { destinationsOf } from "./dump_own_state.ts";

/** Where it is kept, below the state folder. */
export function precacheFolder(state: string): string {
  return join(state, "precache");
}

/** Refreshes it every so often until `signal` aborts. Never throws: shipping goes on without it. */
export async function keepPrecache(config: AgentConfig, path: string | undefined, signal: AbortSignal): Promise<void> {
  const everyMs = config.dump?.precacheEveryMs;
  if (everyMs === undefined) return;
  const log = openLog("precache");
  try {
    const options = {
      store: new PrecacheStore(precacheFolder(config.state)),
      machine: readMachine(),
      collectors: collectors({ destinations: destinationsOf(config) }),
      openRedactor: () => maskingOf(config, path),
      onProblem: (text: string) => log.warning(`the old output is kept: ${text}`),
    };
    while (!signal.aborted) {
      // One that hangs on a dead disk must not hold up the end of the program.
      await Promise.race([refreshPrecache(options, signal), aborted(signal)]);
      await pause(everyMs, signal);
    }
  } catch (error) {
    log.error(`nothing is kept for a dump: ${errorText(error)}`);
  }
}

/** Masks secrets alone: the dump that uses what was kept gives names and addresses the pseudonyms of its own. */
function maskingOf(config: AgentConfig, path: string | undefined): Redactor {
  return openRedactor({
    mode: "secretsOnly",
    literals: path === undefined ? [] : findConfig(path).literals,
    customPatterns: (config.dump?.patterns ?? []).map((regex, i) => ({ name: `custom-${i + 1}`, regex })),
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
