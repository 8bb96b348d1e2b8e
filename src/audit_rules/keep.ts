/** Audit rules kept in step for as long as the agent runs. */
import { pause } from "../pipeline/backoff.ts";
import { errorText } from "../pipeline/errors.ts";
import { openLog } from "../system/log.ts";
import type { RuleFiles } from "./default_rules.ts";
import { applyRules, type NodeOptions } from "./node_rules.ts";

/** What is kept. */
export interface KeepOptions extends NodeOptions {
  /** How often it is looked. */
  readonly everyMs: number;
  /** Reads what is wanted, anew each time. */
  readWanted(): Promise<RuleFiles>;
  /** Told after every look whether the kernel has the rules. */
  onLoaded(isLoaded: boolean): void;
}

/** Looks every so often until `signal` aborts. Never throws: what goes wrong is said once, and tried again. */
export async function keepRules(options: KeepOptions, signal: AbortSignal): Promise<void> {
  let said = "";
  while (!signal.aborted) {
    let problem: string;
    try {
      const { changed, load, text } = await applyRules(await options.readWanted(), options);
      if (changed) log.info("the audit rules of this node are brought in step");
      options.onLoaded(load === "loaded" || load === "unchanged");
      problem = text === "" ? "" : `the audit rules are not loaded: ${text}`;
    } catch (error) {
      options.onLoaded(false);
      problem = errorText(error);
    }
    if (problem !== said) {
      if (problem === "") log.info("the audit rules are loaded again");
      else log.error(problem);
    }
    said = problem;
    await pause(options.everyMs, signal);
  }
}

const log = openLog("audit-rules");
