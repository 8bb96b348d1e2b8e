// deno-lint-ignore-file camelcase -- names of the protocol of NATS
/**
 * The `nats` source: a durable consumer of a JetStream. Several agents with one name share its messages; each is acknowledged once the
 * sinks hold it, and what an agent did not acknowledge goes to another one.
 *
 * ```text
 *   stream ─► pull consumer (durable) ─► batch ─► sinks ─► commit(position) = ack of its messages
 *                     ▲                   held longer than a third of ackWait: "in progress"
 *                     └── redelivered: not acknowledged within ackWait, or given back at a stop
 * ```
 */
import { AckPolicy, type ConsumerMessages, jetstream, jetstreamManager, type JsMsg } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { type BackoffLimits, backoffMs, pause } from "../../pipeline/backoff.ts";
import type { Batch } from "../../pipeline/batch.ts";
import type { Checkpoints, Position } from "../../pipeline/checkpoint.ts";
import { errorText } from "../../pipeline/errors.ts";
import type { BatchLimits, Source } from "../../pipeline/source.ts";
import { openLog } from "../../system/log.ts";
import { connectNats, type NatsOptions } from "../../tls/nats.ts";
import { gatherRun } from "./run.ts";

/** What to consume. */
export interface NatsSourceOptions extends NatsOptions {
  readonly id: string;
  readonly stream: string;
  /** Name of the durable consumer: agents with the same name share the work. Made where there is none. */
  readonly consumer: string;
  /** Only messages of this subject, wildcards allowed; undefined: all. */
  readonly filter?: string;
  /** Time after which a message without an answer goes to another agent, milliseconds; for a consumer that is made. */
  readonly ackWaitMs: number;
  /** Read what is there, and end. */
  readonly once: boolean;
  /** For messages without a header of syslog. */
  readonly host: string;
  readonly program: string;
  readonly priority: number;
}

/** Opens the source; it connects when it is read. */
export function openNatsSource(options: NatsSourceOptions): Source {
  return new NatsSource(options);
}

class NatsSource implements Source {
  readonly id: string;
  readonly replayable = false;
  readonly acknowledgements: Checkpoints;
  readonly #options: NatsSourceOptions;
  /** Messages of batches that are on their way to the sinks, by the number in the position. */
  readonly #held = new Map<number, readonly JsMsg[]>();
  #number = 0;
  #connection: NatsConnection | undefined;

  constructor(options: NatsSourceOptions) {
    this.id = options.id;
    this.#options = options;
    this.acknowledgements = {
      get: () => Promise.resolve(undefined),
      commit: (_id, position) => this.#acknowledge(position),
    };
  }

  /** Connects again, for ever, when the servers go away; says so once. */
  async *read(_from: Position | undefined, limits: BatchLimits, signal: AbortSignal): AsyncGenerator<Batch> {
    const trouble = new Trouble(this.id);
    while (!signal.aborted) {
      try {
        yield* this.#consume(limits, trouble, signal);
        if (this.#options.once) return;
        trouble.say("the consumer ended");
      } catch (error) {
        if (this.#options.once) throw error;
        trouble.say(errorText(error));
      }
      await pause(backoffMs(retry, trouble.attempts), signal);
    }
  }

  /** Gives back what no sink has, so that others need not wait for it, and leaves. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const messages of this.#held.values()) for (const message of messages) message.nak();
    this.#held.clear();
    await this.#connection?.drain().catch(() => {});
  }

  async *#consume(limits: BatchLimits, trouble: Trouble, signal: AbortSignal): AsyncGenerator<Batch> {
    const connection = await connectNats(this.#options);
    this.#connection = connection;
    const messages = await this.#open(connection);
    trouble.over(connection.getServer());
    const stop = (): void => void messages.close();
    signal.addEventListener("abort", stop, { once: true });
    connection.closed().then(stop);
    const keeping = setInterval(() => this.#keep(), this.#options.ackWaitMs / 3);
    try {
      if (signal.aborted) stop();
      for await (const run of gatherRun(messages, limits, this.#options.once)) {
        const number = ++this.#number;
        this.#held.set(number, run.messages);
        yield { ...run.batch(this.#originOf(run.form)), position: { [number]: true } };
      }
    } finally {
      clearInterval(keeping);
      signal.removeEventListener("abort", stop);
    }
    if (connection.isClosed()) throw new Error(`the connection to ${connection.getServer()} ended`);
  }

  async #open(connection: NatsConnection): Promise<ConsumerMessages> {
    const { stream, consumer, filter, ackWaitMs } = this.#options;
    const manager = await jetstreamManager(connection, { checkAPI: false });
    try {
      await manager.consumers.info(stream, consumer);
    } catch (error) {
      if (!/consumer not found/i.test(errorText(error))) throw error;
      const ack = { ack_policy: AckPolicy.Explicit, ack_wait: ackWaitMs * 1_000_000, max_ack_pending: 65_536 };
      const filtered = filter === undefined ? {} : { filter_subject: filter };
      await manager.consumers.add(stream, { durable_name: consumer, ...ack, ...filtered });
      log.info(`source ${this.id}: made consumer ${consumer} of stream ${stream}`);
    }
    const pull = await jetstream(connection).consumers.get(stream, consumer);
    if (this.#options.once) return await pull.fetch({ max_messages: 1_000_000, expires: 1_000 });
    return await pull.consume({ max_messages: pullMessages });
  }

  #originOf(form: "plain" | "syslog"): Batch["origin"] {
    const { id, host, program, priority } = this.#options;
    return { source: id, host, program, priority, form, readAtMs: Date.now() };
  }

  #acknowledge(position: Position): void {
    for (const key of Object.keys(position)) {
      for (const message of this.#held.get(Number(key)) ?? []) message.ack();
      this.#held.delete(Number(key));
    }
  }

  /** Tells the server that what we hold is not forgotten, however slow the sinks are. */
  #keep(): void {
    for (const messages of this.#held.values()) for (const message of messages) message.working();
  }
}

/** Says once that the servers cannot be reached, and once that they can. */
class Trouble {
  readonly #id: string;
  attempts = 0;

  constructor(id: string) {
    this.#id = id;
  }

  say(reason: string): void {
    if (this.attempts++ === 0) log.warning(`source ${this.#id}: ${reason}; trying again until it works`);
    else log.debug(`source ${this.#id}: ${reason}`);
  }

  over(server: string): void {
    if (this.attempts > 0) log.info(`source ${this.#id}: reads from ${server} after ${this.attempts} tries`);
    else log.debug(`source ${this.#id}: reads from ${server}`);
    this.attempts = 0;
  }
}

/** Messages on their way to us at the most: few enough that agents who share a backlog all get some of it. */
const pullMessages = 1_024;
const retry: BackoffLimits = { firstMs: 250, maxMs: 10_000 };
const log = openLog("nats");
