/** A long-running agent: one engine at a time, in a state folder of its own, rebuilt when the configuration changes. */
import { join } from "node:path";
import type { AgentConfig } from "../config/config.ts";
import type { Checkpoints } from "../pipeline/checkpoint.ts";
import { errorText } from "../pipeline/errors.ts";
import { CheckpointStore } from "../system/checkpoint_store.ts";
import { lockFolder } from "../system/lock.ts";
import { openLog } from "../system/log.ts";
import { openServiceManager } from "../system/notify.ts";
import { keepProgramPagesFew } from "../system/program_pages.ts";
import { disposeAll, type EngineParts, runEngine } from "./engine.ts";
import { EngineFeed } from "./feed.ts";
import { type OpenStatus, StatusKeeper } from "./status_keeper.ts";
import { needsState, openParts, type WiringOptions } from "./wiring.ts";

/** What a service runs. */
export interface ServiceOptions {
  readonly config: AgentConfig;
  /** Reads the configuration anew; undefined where there is no file to read. */
  readonly reload?: () => Promise<AgentConfig>;
  /** Registers what is to happen at SIGHUP. */
  onReload(handler: () => void): void;
  /** Keeps the certificate that the configuration asks for, until `signal` aborts. */
  keepCertificate(config: AgentConfig, signal: AbortSignal): Promise<void>;
  /** Keeps the node's audit rules likewise. */
  keepAuditRules(config: AgentConfig, feed: EngineFeed, signal: AbortSignal): Promise<void>;
  /** Opens the status server that the configuration asks for. */
  readonly openStatus: OpenStatus;
  readonly command: "ship" | "collect";
  readonly version: string;
  readonly once: boolean;
}

/**
 * Runs until `stop` aborts, or with `once` until everything is delivered.
 * @throws when a part cannot be opened or a source ends for good
 */
export async function runService(options: ServiceOptions, stop: AbortSignal): Promise<void> {
  const feed = new EngineFeed(options);
  await using state = openState(options.config);
  await using status = new StatusKeeper(options.openStatus, feed);
  using manager = openServiceManager();
  stop.addEventListener("abort", () => manager.stopping(), { once: true });
  let config = options.config;
  let next: AgentConfig | undefined;
  let rebuild = new AbortController();
  options.onReload(async () => {
    manager.reloading();
    next = await readAgain(options, config);
    if (next === undefined) manager.ready();
    if (next !== undefined) rebuild.abort();
  });
  const { version, once } = options;
  const wiring = { version, once, checkpoints: state.checkpoints, feed };
  let opened: AgentConfig | undefined;
  for (;;) {
    const [used, parts] = await openOrGoBack(config, opened, wiring);
    opened = config = used;
    await status.keep(config).catch(async (error) => {
      await disposeAll(parts);
      throw error;
    });
    log.info(`running: from ${Object.keys(config.sources).join(", ")} to ${Object.keys(config.sinks).join(", ")}`);
    manager.ready();
    using _pages = keepProgramPagesFew();
    const ended = new AbortController();
    const keeping = options.keepCertificate(config, ended.signal);
    keeping.catch((error) => log.error(`the certificate is not kept any more: ${errorText(error)}`));
    const keepingRules = options.keepAuditRules(config, feed, ended.signal);
    keepingRules.catch((error) => log.error(`the audit rules are not kept any more: ${errorText(error)}`));
    const { unconfirmed } = await runEngine(parts, AbortSignal.any([stop, rebuild.signal])).finally(() =>
      ended.abort()
    );
    await keeping.catch(() => {});
    await keepingRules.catch(() => {});
    sayWhatWasDone(parts, unconfirmed);
    if (stop.aborted || next === undefined) return;
    log.info("going on with the new configuration");
    config = next;
    next = undefined;
    rebuild = new AbortController();
  }
}

/** Opens what `config` names; when that fails after a reload, what ran `before` is opened again. @throws when nothing can be */
async function openOrGoBack(
  config: AgentConfig,
  before: AgentConfig | undefined,
  wiring: WiringOptions,
): Promise<[used: AgentConfig, parts: EngineParts]> {
  try {
    return [config, await openParts(config, wiring)];
  } catch (error) {
    if (before === undefined) throw error;
    log.error(`the new configuration cannot be used and the old one goes on:\n${errorText(error)}`);
    return [before, await openParts(before, wiring)];
  }
}

function sayWhatWasDone({ sinks }: EngineParts, unconfirmed: number): void {
  const delivered = sinks.reduce((sum, { health }) => sum + health.delivered, 0);
  const aside = sinks.reduce((sum, { health }) => sum + health.rejected + health.abandoned, 0);
  log.info(
    `stopped: ${delivered} records delivered${aside > 0 ? `, ${aside} kept among the dead letters` : ""}${
      unconfirmed > 0 ? `, ${unconfirmed} read and not confirmed: they are sent again at the next start` : ""
    }`,
  );
}

interface State extends AsyncDisposable {
  readonly checkpoints: Checkpoints;
}

function openState(config: AgentConfig): State {
  if (!needsState(config)) {
    return {
      checkpoints: { get: () => Promise.resolve(undefined), commit: () => {} },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const lock = lockFolder(config.state);
  const checkpoints = new CheckpointStore(join(config.state, "positions"));
  return {
    checkpoints,
    async [Symbol.asyncDispose](): Promise<void> {
      await checkpoints[Symbol.asyncDispose]();
      lock[Symbol.dispose]();
    },
  };
}

/** The new configuration, or undefined when it cannot be used: the old one goes on. */
async function readAgain(options: ServiceOptions, old: AgentConfig): Promise<AgentConfig | undefined> {
  if (options.reload === undefined) {
    log.warning("SIGHUP: there is no configuration file to read again");
    return undefined;
  }
  try {
    const config = await options.reload();
    if (config.state !== old.state) {
      throw new Error(`state: "${config.state}" cannot replace "${old.state}" without a restart`);
    }
    return config;
  } catch (error) {
    log.error(`the new configuration is refused and the old one goes on:\n${errorText(error)}`);
    return undefined;
  }
}

const log = openLog("service");
