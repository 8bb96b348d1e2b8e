/** The server's end of one RELP session: offers, records in order, answers only for what is safe. */
import { encodeFrame, encodeOffers, FrameEncoder, parseOffers } from "../../formats/relp.ts";
import type { Batch, Origin } from "../../pipeline/batch.ts";
import { errorText } from "../../pipeline/errors.ts";
import type { Arrival } from "../../tls/listen.ts";
import { type ControlFrame, FrameDecoder, type FrameLimits, type FrameRun } from "./frames.ts";

/** What a session needs to know. */
export interface SessionContext {
  /** Key of the session in positions. */
  readonly key: string;
  readonly limits: FrameLimits;
  readonly source: string;
  readonly version: string;
  /** Silence that ends a session; 0 never. */
  readonly idleTimeoutMs: number;
  /** Time for the first `open`. */
  readonly openTimeoutMs: number;
  /** Hands a batch on; resolves when there is room for the next. */
  offer(batch: Batch): Promise<void>;
  /** One line about something that went wrong. */
  report(text: string): void;
  /** Messages cut to the limit. */
  truncated(messages: number): void;
}

/** One session; `run` ends when it does. */
export class RelpServerSession {
  readonly #arrival: Arrival;
  readonly #context: SessionContext;
  readonly #decoder: FrameDecoder;
  /** Filled while the one before it is being written. */
  #answers = new FrameEncoder(4 * 1024);
  #spare = new FrameEncoder(4 * 1024);
  #writing = false;
  /** Newest transaction that is answered. */
  #answered = 0;
  #opens = 0;
  #closeTransaction: number | undefined;
  #ending = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(arrival: Arrival, context: SessionContext) {
    this.#arrival = arrival;
    this.#context = context;
    this.#decoder = new FrameDecoder(context.limits);
  }

  /** Reads until the client ends the session, breaks the protocol, or `stop` aborts. */
  async run(stop: AbortSignal): Promise<void> {
    const { connection } = this.#arrival;
    const onStop = (): void => connection.stopReading();
    stop.addEventListener("abort", onStop);
    try {
      this.#expectWithin(this.#context.openTimeoutMs, "it does not open a session");
      while (!stop.aborted && !this.#ending) {
        const chunk = await connection.read();
        if (chunk === undefined) break;
        await this.#take(chunk);
        this.#expectWithin(this.#context.idleTimeoutMs, "it is silent");
      }
    } catch (error) {
      if (!this.#ending) this.#context.report(`session with ${connection.peerAddress} broke: ${errorText(error)}`);
      connection.destroy();
    } finally {
      stop.removeEventListener("abort", onStop);
      clearTimeout(this.#timer);
    }
  }

  /** Answers every record up to `transaction`: called when they are safe. */
  acknowledge(transaction: number): void {
    if (transaction <= this.#answered || this.#arrival.connection.closed) return;
    this.#answers.appendAcknowledgements(this.#answered + 1, transaction);
    this.#answered = transaction;
    if (this.#closeTransaction === transaction + 1) this.#answerClose();
    this.#flush();
  }

  /** Says that the server goes, after the answers given so far, and ends the connection. */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#ending = true;
    const { connection } = this.#arrival;
    if (connection.closed) return;
    try {
      while (this.#writing) await new Promise((resolve) => setTimeout(resolve, 5));
      await connection.write(serverClose);
      await connection.close();
    } catch {
      connection.destroy(); // the client went first
    }
  }

  async #take(chunk: Uint8Array): Promise<void> {
    const { records, control, early, truncated, mistake } = this.#decoder.read(chunk);
    for (const frame of control) if (!this.#takeControl(frame)) return;
    for (const transaction of early) this.#reply(transaction, "500 command disabled");
    if (truncated > 0) this.#context.truncated(truncated);
    if (records.count > 0) await this.#context.offer(this.#batch(records));
    if (mistake !== undefined) this.#refuse(`it sends ${mistake}`);
  }

  /** False when the session is over. */
  #takeControl({ command, transaction, data }: ControlFrame): boolean {
    if (command === "close") {
      this.#closeTransaction = transaction;
      if (this.#answered === transaction - 1) {
        this.#answerClose();
        this.#flush();
      }
      return true;
    }
    const refusal = ++this.#opens > 1 ? "error 10047 on connect" : refusalOfOffers(data);
    if (refusal === undefined) {
      this.#reply(transaction, `200 OK\n${encodeOffers(this.#context.version)}`);
      return true;
    }
    if (this.#opens > 1) this.#reply(transaction, "500 protocol error: connection already open");
    this.#reply(transaction, `500 ${refusal}`);
    this.#refuse(`its open is refused: ${refusal}`);
    return false;
  }

  #batch(records: FrameRun): Batch {
    const { peerName, connection } = this.#arrival;
    const origin: Origin = {
      source: this.#context.source,
      host: hostOfAddress(connection.peerAddress),
      program: "relp",
      priority: 13,
      form: "syslog",
      readAtMs: Date.now(),
      ...(peerName === undefined ? {} : { peer: peerName }),
    };
    const last = this.#closeTransaction === undefined ? this.#decoder.last : this.#closeTransaction - 1;
    return { ...records, origin, position: { [this.#context.key]: last }, release: () => {} };
  }

  #reply(transaction: number, text: string): void {
    this.#answered = transaction;
    this.#send(encodeFrame(transaction, "rsp", text));
  }

  /** A session that broke the protocol ends as librelp ends it: a hint, and the end of the stream. */
  #refuse(reason: string): void {
    if (this.#ending) return;
    this.#context.report(`session with ${this.#arrival.connection.peerAddress} ended: ${reason}`);
    this.#ending = true;
    this.#sendLast(serverClose);
  }

  #answerClose(): void {
    this.#ending = true;
    this.#sendLast(concat(encodeFrame(this.#closeTransaction!, "rsp"), serverClose));
  }

  #sendLast(bytes: Uint8Array): void {
    this.#send(bytes);
    const { connection } = this.#arrival;
    const finish = async (): Promise<void> => {
      while (this.#writing) await new Promise((resolve) => setTimeout(resolve, 1));
      await connection.close();
    };
    finish().catch(() => connection.destroy());
  }

  #send(bytes: Uint8Array): void {
    this.#answers.appendRaw(bytes);
    this.#flush();
  }

  /** Writes what answers there are; those that come meanwhile go with the next write. */
  async #flush(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    try {
      while (this.#answers.length > 0) {
        const full = this.#answers;
        this.#answers = this.#spare;
        this.#spare = full;
        await this.#arrival.connection.write(full.written);
        full.clear();
      }
    } catch {
      this.#arrival.connection.destroy(); // the client is gone and will send again what it has no answer to
    } finally {
      this.#writing = false;
    }
  }

  #expectWithin(timeoutMs: number, complaint: string): void {
    clearTimeout(this.#timer);
    if (timeoutMs > 0 && !this.#ending) {
      this.#timer = setTimeout(() => this.#refuse(`${complaint} for ${timeoutMs} ms`), timeoutMs);
    }
  }
}

/** Why the client's offers cannot be met, in librelp's words; undefined when they can. */
function refusalOfOffers(data: string): string | undefined {
  const offers = parseOffers(data);
  const version = offers.get("relp_version");
  if (version !== undefined && !/^\d{1,9}$/.test(version)) return "error 10021 on connect";
  const accepted = (offers.get("commands") ?? "").split(",").includes("syslog");
  return accepted ? undefined : "required command not supported by client";
}

function hostOfAddress(address: string): string {
  return address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "").replace(/^::ffff:/, "");
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  return new Uint8Array([...a, ...b]);
}

const serverClose = encodeFrame(0, "serverclose");
