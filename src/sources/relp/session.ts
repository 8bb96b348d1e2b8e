/** The server's end of one RELP session: offers, records in order, answers only for what is safe. */
import { freeBytes } from "../../formats/bytes.ts";
import { encodeFrame, encodeOffers, FrameEncoder, parseOffers } from "../../formats/relp.ts";
import type { Batch, Origin } from "../../pipeline/batch.ts";
import { errorText } from "../../pipeline/errors.ts";
import type { Arrival } from "../../tls/listen.ts";
import { BegunAnswer } from "./begun_answer.ts";
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

/** An answer that waits for its turn. */
interface Reply {
  readonly transaction: number;
  readonly bytes: Uint8Array;
  /** The session ends with it. */
  readonly last: boolean;
}

/** One session; `run` ends when it does. */
export class RelpServerSession {
  readonly #arrival: Arrival;
  readonly #context: SessionContext;
  readonly #decoder: FrameDecoder;
  /** Filled while the one before it is being written. */
  #answers = new FrameEncoder(4 * 1024);
  #spare = new FrameEncoder(4 * 1024);
  #writing: Promise<void> | undefined;
  /** Newest transaction that is answered. Answers leave in the order of the transactions, as librelp's do. */
  #answered = 0;
  /** Newest transaction whose record is safe. */
  #safe = 0;
  /** Answers that are more than `200 OK`, in order: each waits for those before it. */
  readonly #replies: Reply[] = [];
  /** The protocol was broken: goodbye, after the answers to all that came before. */
  #goodbye = false;
  /** Whether the client holds small segments back until we acknowledge what it sent before. */
  #holdsBack = false;
  /** Whether it sent something since we last did. */
  #unacknowledged = false;
  readonly #begun = new BegunAnswer();
  #begunTimer: ReturnType<typeof setTimeout> | undefined;
  #opens = 0;
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
        if (this.#holdsBack) this.#answerEarly();
        // Half an `open` is none: its deadline stands.
        if (this.#decoder.opened) this.#expectWithin(this.#context.idleTimeoutMs, "it is silent");
      }
    } catch (error) {
      if (!this.#ending) this.#context.report(`session with ${connection.peerAddress} broke: ${errorText(error)}`);
      connection.destroy();
    } finally {
      stop.removeEventListener("abort", onStop);
      clearTimeout(this.#begunTimer);
      if (!this.#goodbye) clearTimeout(this.#timer);
    }
  }

  /** Answers every record up to `transaction`: called when they are safe. */
  acknowledge(transaction: number): void {
    this.#safe = Math.max(this.#safe, transaction);
    this.#answer();
  }

  /** Says that the server goes, after the answers given so far, and ends the connection. */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#ending = true;
    const { connection } = this.#arrival;
    if (connection.closed) return;
    try {
      await this.#flush();
      if (!this.#begun.begun) await connection.write(serverClose);
      await connection.close();
    } catch {
      connection.destroy(); // the client went first
    }
  }

  async #take(chunk: Uint8Array): Promise<void> {
    const { records, control, truncated, mistake } = this.#decoder.read(chunk);
    const refusal = control.map((frame) => this.#reply(frame)).find((text) => text !== undefined);
    this.#answer();
    if (truncated > 0) this.#context.truncated(truncated);
    if (records.count > 0 && refusal === undefined) await this.#context.offer(this.#batch(records));
    if (refusal !== undefined || mistake !== undefined) this.#refuse(refusal ?? `it sends ${mistake}`);
  }

  /** Queues the answer to a frame; the result is why the session cannot go on. */
  #reply({ command, transaction, data }: ControlFrame): string | undefined {
    const queue = (bytes: Uint8Array, last = false): void => void this.#replies.push({ transaction, bytes, last });
    if (command === "early") queue(encodeFrame(transaction, "rsp", "500 command disabled"));
    else if (command === "close") queue(concat(encodeFrame(transaction, "rsp"), serverClose), true);
    else {
      const refusal = ++this.#opens > 1 ? "error 10047 on connect" : refusalOfOffers(data);
      if (refusal === undefined) {
        this.#holdsBack = /^librelp\b/.test(parseOffers(data).get("relp_software") ?? "");
        queue(encodeFrame(transaction, "rsp", `200 OK\n${encodeOffers(this.#context.version)}`));
      } else {
        const first = this.#opens > 1
          ? encodeFrame(transaction, "rsp", "500 protocol error: connection already open")
          : nothing;
        queue(concat(first, encodeFrame(transaction, "rsp", `500 ${refusal}`)));
        return `its open is refused: ${refusal}`;
      }
    }
    return undefined;
  }

  /** Sends every answer whose turn has come. */
  #answer(): void {
    if (this.#arrival.connection.closed || this.#ending) return;
    for (;;) {
      const reply = this.#replies[0];
      if (reply?.transaction === this.#answered + 1) {
        this.#replies.shift();
        this.#answered = reply.transaction;
        this.#answers.appendRaw(reply.bytes);
        if (reply.last) return this.#finish();
        continue;
      }
      const last = Math.min(this.#safe, (reply?.transaction ?? Infinity) - 1);
      if (last <= this.#answered) break;
      if (this.#begun.begun) {
        this.#answers.appendRaw(this.#begun.finish());
        this.#answered++;
      }
      if (this.#answered < last) this.#answers.appendAcknowledgements(this.#answered + 1, last);
      this.#answered = last;
    }
    if (this.#goodbye && this.#answered >= this.#decoder.last) this.#sayGoodbye();
    else this.#flush();
  }

  /** Lets a client go on that waits for the kernel's acknowledgement while the disk is slower than that. */
  #answerEarly(): void {
    this.#unacknowledged = true;
    if (this.#begunTimer !== undefined || this.#answered >= this.#decoder.last) return;
    this.#begunTimer = setTimeout(() => {
      this.#begunTimer = undefined;
      if (this.#ending || this.#arrival.connection.closed || !this.#unacknowledged) return;
      if (this.#answered >= this.#decoder.last) return;
      const octet = this.#begun.next(this.#answered + 1);
      if (octet === undefined) return;
      this.#answers.appendRaw(octet);
      this.#flush();
    }, this.#begun.delayMs);
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
    const position = { [this.#context.key]: this.#decoder.last };
    return { ...records, origin, position, release: () => freeBytes(records.bytes) };
  }

  /** A session that broke the protocol ends as librelp ends it: a hint, and the end of the stream. */
  #refuse(reason: string): void {
    if (this.#ending || this.#goodbye) return;
    this.#context.report(`session with ${this.#arrival.connection.peerAddress} ended: ${reason}`);
    this.#goodbye = true;
    clearTimeout(this.#timer);
    // What came before the mistake is still to be answered, or the client repeats it; but not for ever.
    this.#timer = setTimeout(() => this.#sayGoodbye(), goodbyeDeadlineMs);
    this.#arrival.connection.stopReading();
    this.#answer();
  }

  #sayGoodbye(): void {
    if (this.#ending) return;
    if (!this.#begun.begun) this.#answers.appendRaw(serverClose); // else the end of the stream alone says it
    this.#finish();
  }

  /** Sends what is left and ends the connection. */
  #finish(): void {
    this.#ending = true;
    clearTimeout(this.#timer);
    const { connection } = this.#arrival;
    connection.stopReading();
    this.#flush().then(() => connection.close()).catch(() => connection.destroy());
  }

  /** Writes what answers there are; those that come meanwhile go with the next write. */
  #flush(): Promise<void> {
    if (this.#writing === undefined && this.#answers.length > 0) this.#writing = this.#writeAll();
    return this.#writing ?? Promise.resolve();
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#answers.length > 0) {
        const full = this.#answers;
        this.#answers = this.#spare;
        this.#spare = full;
        this.#unacknowledged = false;
        await this.#arrival.connection.write(full.written);
        full.clear();
      }
    } catch {
      this.#arrival.connection.destroy(); // the client is gone and will send again what it has no answer to
    } finally {
      this.#writing = undefined;
    }
  }

  #expectWithin(timeoutMs: number, complaint: string): void {
    if (this.#goodbye) return;
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

const goodbyeDeadlineMs = 5_000;
const nothing = new Uint8Array(0);
const serverClose = encodeFrame(0, "serverclose");
