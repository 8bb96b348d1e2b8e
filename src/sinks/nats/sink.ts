/**
 * The `nats` sink: records into a JetStream, each confirmed by the stream's own answer when its replicas have it.
 *
 * ```text
 *   send(batch) ─► PUB subject, reply inbox.N, Nats-Msg-Id ─► stream
 *                                    inbox.N ◄── {"stream", "seq"}     held
 *                                    inbox.N ◄── {"error"}             refused for good, or all open calls fail
 *                                    nothing for `timeoutMs`, or the connection breaks: all open calls fail
 * ```
 *
 * What failed is sent again by the pump with the same ids, and a stream keeps the first of equal ids within its duplicate window
 * (2 minutes unless it was made otherwise): an outage that is longer than that may double what was stored and not answered.
 * Many records are on their way at once; after a failure those that were stored come before those that were not.
 */
import { createInbox, headers, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { jetstreamManager } from "@nats-io/jetstream";
import { renderSubject, templateForStream } from "../../formats/nats_subject.ts";
import { RecordIds } from "../../formats/record_id.ts";
import { RecordFields } from "../../formats/record_fields.ts";
import { SyslogPrefix } from "../../formats/syslog_prefix.ts";
import type { Batch } from "../../pipeline/batch.ts";
import { errorText, PeerError } from "../../pipeline/errors.ts";
import type { Rejection, Sink } from "../../pipeline/sink.ts";
import { openLog } from "../../system/log.ts";
import { connectNats, type NatsOptions, streamSubjects } from "../../tls/nats.ts";
import { judgeAnswer } from "./answer.ts";

/** Where to deliver. */
export interface NatsSinkOptions extends NatsOptions {
  readonly id: string;
  readonly stream: string;
  /** With `{host}`, `{program}`, `{source}`; undefined: what the stream's own subjects suggest. */
  readonly subject?: string;
  /** Make the stream where there is none, with so many replicas; undefined: a missing stream is an error. */
  readonly createReplicas?: number;
  /** How long a confirmation may take, milliseconds. */
  readonly timeoutMs: number;
}

/** Opens the sink; it connects at the first batch. The caller disposes it. */
export function openNatsSink(options: NatsSinkOptions): Sink {
  return new NatsSink(options);
}

/** A batch on its way. */
interface Parcel {
  open: number;
  readonly rejections: Rejection[];
  readonly resolve: (rejections: readonly Rejection[]) => void;
  readonly reject: (error: unknown) => void;
  readonly deadlineMs: number;
}

/** A connection with what depends on it. */
interface Session {
  readonly connection: NatsConnection;
  readonly inbox: string;
  readonly subject: string;
  /** Records without an answer, by the number in their reply subject. */
  readonly waiting: Map<number, { readonly parcel: Parcel; readonly index: number }>;
}

class NatsSink implements Sink {
  readonly id: string;
  readonly batchRecords = 512;
  readonly #options: NatsSinkOptions;
  readonly #ids = new RecordIds();
  readonly #fields = new RecordFields();
  readonly #prefix = new SyslogPrefix("forward");
  readonly #parcels = new Set<Parcel>();
  /** Servers that a cluster told of. */
  #known: readonly string[] = [];
  #session: Promise<Session> | undefined;
  /** The one of `#session`, once it is there. */
  #current: Session | undefined;
  #failure: unknown;
  #number = 0;
  #turn: Promise<void> = Promise.resolve();
  /** Ends the wait for room. */
  #wake: (() => void) | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: NatsSinkOptions) {
    this.id = options.id;
    this.#options = options;
  }

  async send(batch: Batch, signal: AbortSignal): Promise<readonly Rejection[]> {
    if (this.#failure !== undefined) throw this.#failure;
    const { promise, resolve, reject } = Promise.withResolvers<readonly Rejection[]>();
    promise.catch(() => {}); // a failure that comes while we connect is told below
    const deadlineMs = performance.now() + this.#options.connectionTimeoutMs + this.#options.timeoutMs;
    const parcel: Parcel = { open: batch.count, rejections: [], resolve, reject, deadlineMs };
    this.#parcels.add(parcel);
    const stop = (): void => this.#fail(new PeerError("stopped"));
    signal.addEventListener("abort", stop, { once: true });
    try {
      if (signal.aborted) stop();
      const session = await (this.#session ??= this.#connect());
      // One batch after the other: records go out in the order of the calls, however long they wait for room.
      const turn = this.#turn.then(() => this.#publish(batch, parcel, session));
      this.#turn = turn;
      await turn;
      return await promise;
    } catch (error) {
      this.#fail(error);
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
      this.#parcels.delete(parcel);
    }
  }

  reset(): void {
    this.#failure = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new PeerError("the sink is closed"));
    await Promise.resolve();
  }

  async #connect(): Promise<Session> {
    const { stream, subject } = this.#options;
    const connection = await connectNats(this.#options, this.#known);
    try {
      this.#known = connection.info?.connect_urls ?? [];
      const subjects = await this.#subjects(connection);
      const session: Session = {
        connection,
        inbox: createInbox(),
        subject: subject ?? templateForStream(subjects),
        waiting: new Map(),
      };
      connection.subscribe(`${session.inbox}.*`, { callback: (_error, message) => this.#answered(session, message) });
      connection.closed().then((error) =>
        this.#failSession(
          session,
          new PeerError(`the connection to ${connection.getServer()} ended${error ? `: ${errorText(error)}` : ""}`),
        )
      );
      this.#current = session;
      this.#timer ??= setInterval(() => this.#look(), 250);
      log.debug(
        `sink ${this.id}: connected to ${connection.getServer()}, stream ${stream}, subjects ${session.subject}`,
      );
      return session;
    } catch (error) {
      await connection.close().catch(() => {});
      throw error instanceof PeerError ? error : new PeerError(
        `Cannot use stream "${stream}" of NATS ${connection.getServer()}: ${errorText(error)}`,
        { cause: error },
      );
    }
  }

  async #subjects(connection: NatsConnection): Promise<readonly string[]> {
    const { stream, createReplicas } = this.#options;
    const found = await streamSubjects(connection, stream);
    if (found !== undefined) return found;
    if (createReplicas === undefined) {
      throw new PeerError(`there is no stream "${stream}"\nTry: nats stream add ${stream}, or the key createStream`);
    }
    const subjects = [`${stream}.>`];
    const manager = await jetstreamManager(connection, { checkAPI: false });
    await manager.streams.add({ name: stream, subjects, num_replicas: createReplicas });
    log.info(`sink ${this.id}: made stream ${stream}, subjects ${subjects}, ${createReplicas} replicas`);
    return subjects;
  }

  async #publish(batch: Batch, parcel: Parcel, session: Session): Promise<void> {
    if (batch.count === 0) parcel.resolve([]);
    const limit = session.connection.info?.max_payload ?? Infinity;
    for (let i = 0; i < batch.count; i++) {
      while (session.waiting.size >= maxUnanswered && this.#current === session) {
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
      if (this.#current !== session) return; // all open calls have failed
      this.#publishOne(batch, i, parcel, session, limit);
    }
  }

  #publishOne(batch: Batch, index: number, parcel: Parcel, session: Session, limit: number): void {
    const payload = this.#payload(batch, index);
    if (payload.length + headerBytes > limit) {
      const reason = `${payload.length} bytes are more than the server's max_payload, ${limit}`;
      return this.#settle(parcel, { index, reason });
    }
    const header = headers();
    header.set("Nats-Msg-Id", this.#ids.idOf(batch, index));
    const number = this.#number++;
    session.waiting.set(number, { parcel, index });
    const reply = `${session.inbox}.${number.toString(36)}`;
    session.connection.publish(this.#subject(batch, index, session), payload, { reply, headers: header });
  }

  /** The record as a syslog line with its header, in bytes of its own: the library sends them when it likes. */
  #payload(batch: Batch, index: number): Uint8Array {
    const prefix = this.#prefix;
    prefix.find(batch, index);
    const payload = new Uint8Array(prefix.bytes.length + prefix.end - prefix.start);
    payload.set(prefix.bytes);
    payload.set(batch.bytes.subarray(prefix.start, prefix.end), prefix.bytes.length);
    return payload;
  }

  #subject(batch: Batch, index: number, { subject }: Session): string {
    if (!subject.includes("{")) return subject;
    this.#fields.open(batch, index);
    const { host, program } = this.#fields;
    return renderSubject(subject, { host, program, source: batch.origin.source });
  }

  #answered(session: Session, message: Msg): void {
    const number = Number.parseInt(message.subject.slice(session.inbox.length + 1), 36);
    const waiting = session.waiting.get(number);
    if (waiting === undefined) return;
    session.waiting.delete(number);
    if (session.waiting.size === maxUnanswered / 2) this.#wake?.();
    const verdict = judgeAnswer(message.headers?.code, message.data, this.#options.stream);
    if (verdict.kind === "failed") return this.#failSession(session, new PeerError(verdict.reason));
    this.#settle(
      waiting.parcel,
      verdict.kind === "held" ? undefined : { index: waiting.index, reason: verdict.reason },
    );
  }

  #settle(parcel: Parcel, rejection: Rejection | undefined): void {
    if (rejection !== undefined) parcel.rejections.push(rejection);
    if (--parcel.open === 0) parcel.resolve(parcel.rejections.sort((a, b) => a.index - b.index));
  }

  /** Answers that do not come are a failure of the connection, as far as we can tell. */
  #look(): void {
    const nowMs = performance.now();
    for (const { deadlineMs } of this.#parcels) {
      if (deadlineMs > nowMs) continue;
      return this.#fail(new PeerError(`no confirmation for ${this.#options.timeoutMs} ms`));
    }
  }

  #failSession(session: Session, error: unknown): void {
    if (this.#current !== session) return; // one that was given up before
    if (session.waiting.size === 0 && this.#parcels.size === 0) {
      // Nothing was under way: the next batch finds out by itself.
      this.#forgetSession();
      return;
    }
    this.#fail(error);
  }

  /** Every open call rejects, and every further one until `reset`; the connection is given up. */
  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const { reject } of this.#parcels) reject(error);
    this.#forgetSession();
  }

  #forgetSession(): void {
    const session = this.#session;
    this.#session = this.#current = undefined;
    this.#wake?.();
    clearInterval(this.#timer);
    this.#timer = undefined;
    session?.then(({ connection }) => connection.close()).catch(() => {});
  }
}

/** Records on their way without an answer at the most: what the client keeps of each is more than most records. */
const maxUnanswered = 4_096;
/** Room for the header lines beside the payload, which count, too. */
const headerBytes = 128;
const log = openLog("nats");
