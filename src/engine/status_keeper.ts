/** The status server beside the engine: it outlives reloads, unless its own configuration changes. */
import type { AgentConfig } from "../config/config.ts";
import { errorText } from "../pipeline/errors.ts";
import type { AgentFeed } from "../status/state.ts";
import { openLog } from "../system/log.ts";

/** Opens what the key `status` asks for; undefined where there is nothing to open. */
export type OpenStatus = (config: AgentConfig, feed: AgentFeed) => Promise<AsyncDisposable | undefined>;

/** At most one server at a time. Dispose it to end that one. */
export class StatusKeeper implements AsyncDisposable {
  readonly #open: OpenStatus;
  readonly #feed: AgentFeed;
  #server: AsyncDisposable | undefined;
  #key: string | undefined;

  constructor(open: OpenStatus, feed: AgentFeed) {
    this.#open = open;
    this.#feed = feed;
  }

  /**
   * Brings the server into line with `config`.
   * @throws when the first one cannot be opened; later the agent goes on without, and says so
   */
  async keep(config: AgentConfig): Promise<void> {
    const key = JSON.stringify([config.status, config.dump]) ?? "";
    if (key === this.#key) return;
    const first = this.#key === undefined;
    await this[Symbol.asyncDispose]();
    try {
      this.#server = await this.#open(config, this.#feed);
      this.#key = key;
    } catch (error) {
      if (first) throw error;
      this.#key = "failed"; // the next reload tries again
      log.error(`${errorText(error)}; going on without a status server`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.[Symbol.asyncDispose]();
  }
}

const log = openLog("status");
