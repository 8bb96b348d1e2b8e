/** What `ship` does for the key `auditRules`: keeps them while the key is there, puts them back when a reload takes it away. */
import { keepRules } from "../audit_rules/keep.ts";
import { revertRules } from "../audit_rules/node_rules.ts";
import type { AgentConfig, AuditRulesConfig } from "../config/config.ts";
import type { EngineFeed } from "../engine/feed.ts";
import { pause } from "../pipeline/backoff.ts";
import { openLog } from "../system/log.ts";
import { readWanted } from "./audit_wanted.ts";

/** Keeps them over all configurations of a process. */
export class AuditRulesKeeper {
  #last: AuditRulesConfig | undefined;

  /** Until `signal` aborts. What is queued is delivered before rules go away: it tells of what they watched. */
  async keep({ auditRules }: AgentConfig, feed: EngineFeed, signal: AbortSignal): Promise<void> {
    const before = this.#last;
    this.#last = auditRules;
    if (auditRules !== undefined) {
      await keepRules({
        ...auditRules,
        readWanted: () => readWanted(auditRules),
        onLoaded: (isLoaded) => feed.auditRulesLoaded = isLoaded,
      }, signal);
    } else if (before !== undefined) {
      await this.#revert(before, feed, signal);
    }
  }

  async #revert(before: AuditRulesConfig, feed: EngineFeed, signal: AbortSignal): Promise<void> {
    const endMs = performance.now() + drainMs;
    while (!signal.aborted && performance.now() < endMs && feed.state().pairs.some(({ held }) => held > 0)) {
      await pause(drainLookMs, signal);
    }
    const { text } = await revertRules(before);
    feed.auditRulesLoaded = undefined;
    log.info(`the audit rules of this node are as they were before${text === "" ? "" : `; not loaded: ${text}`}`);
  }
}

const drainMs = 60_000;
const drainLookMs = 100;
const log = openLog("audit-rules");
