/**
 * One RELP session over one connection: `open`, then frames and answers until it breaks or is closed.
 * The reader of answers is a task of its own, so that answers are taken while nothing is sent.
 */
import { setImmediate } from "node:timers";
import type { Batch } from "../../pipeline/batch.ts";
import { PeerError, SilenceError } from "../../pipeline/errors.ts";
import type { Rejection } from "../../pipeline/sink.ts";
import { commands, encodeFrame, encodeOffers, FrameEncoder, parseOffers } from "../../formats/relp.ts";
import type { Connection } from "../../system/connection.ts";
import { forwardHeader, type PayloadHeader } from "../../formats/forward.ts";
import { type Answer, AnswerReader } from "./answers.ts";
import { Delivery, Window } from "./window.ts";

/** How a session behaves. */
export interface SessionOptions {
  /** Frames without an answer at the most. */
  readonly windowSize: number;
  /** Silence of the peer, while something is unanswered, that ends the session. */
  readonly timeoutMs: number;
  /** Own version, for the offers. */
  readonly version: string;
  /** How records are written; default: rsyslog's forward format. Used by one session at a time. */
  readonly layout?: RecordLayout;
}

/** What finds the text around one record after the other: a template. */
export interface RecordLayout {
  /** What goes before the record last found, and behind every one. */
  readonly bytes: Uint8Array;
  readonly tail: Uint8Array;
  /** Where the message of that record begins and ends. */
  readonly start: number;
  readonly end: number;
  find(batch: Batch, index: number): void;
}

interface Work {
  readonly batch: Batch;
  /** Of the forward format, which is made once for a batch. */
  readonly header: PayloadHeader | undefined;
  readonly delivery: Delivery;
}

/** An open session. Closed by the sink. */
export class RelpSession {
  readonly #connection: Connection;
  readonly #options: SessionOptions;
  readonly #window: Window;
  readonly #frames = new FrameEncoder(128 * 1024);
  readonly #queue: Work[] = [];
  readonly #answers = new AnswerReader();
  #next = 2;
  /** Records taken over so far; their transactions are given even where they are not yet sent. */
  #taken = 0;
  #writing = false;
  /** Answers came, and what they confirm is being committed. */
  #committing = false;
  /** Next transaction when the newest answers came: nothing was sent since while it is the same. */
  #nextAtAnswers = 0;
  #promptTimer: ReturnType<typeof setTimeout> | undefined;
  /** A single frame is to be sent, from what is kept back. */
  #prompting = false;
  #failure: PeerError | undefined;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #heardAtMs = performance.now();
  #closeAnswered: (() => void) | undefined;
  /** The newest delivery: answered last. */
  #last: Delivery | undefined;

  private constructor(connection: Connection, options: SessionOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#window = new Window(options.windowSize, 2);
  }

  /** Sends `open` and waits for its answer. Takes over the connection. @throws {PeerError} */
  static async open(connection: Connection, options: SessionOptions): Promise<RelpSession> {
    const session = new RelpSession(connection, options);
    const timer = setTimeout(() => connection.destroy(), options.timeoutMs);
    try {
      await connection.write(encodeFrame(1, "open", encodeOffers(options.version)));
      await session.#readOpenAnswer();
    } catch (error) {
      connection.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
    session.#readAnswers();
    return session;
  }

  /** Whether no more may be sent: the session is broken. */
  get broken(): boolean {
    return this.#failure !== undefined;
  }

  /** Records taken over so far, sent or not. */
  get taken(): number {
    return this.#taken;
  }

  /** Resolves when everything sent so far is answered or has failed. */
  async drained(): Promise<void> {
    await this.#last?.done.catch(() => {});
  }

  /** Queues a batch of one or more records; resolves when every one of them is answered. @throws {PeerError} */
  send(batch: Batch): Promise<readonly Rejection[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const delivery = new Delivery(batch.count);
    if (this.#window.empty) this.#heardAtMs = performance.now();
    this.#window.add(delivery);
    this.#last = delivery;
    this.#taken += batch.count;
    const header = this.#options.layout === undefined ? forwardHeader(batch.origin) : undefined;
    this.#queue.push({ batch, header, delivery });
    this.#watch();
    this.#write();
    return delivery.done;
  }

  /** Says `close`, waits for the answer no longer than `deadlineMs`, and ends the connection. */
  async close(deadlineMs: number): Promise<void> {
    clearTimeout(this.#watchdog);
    if (this.#failure !== undefined) return;
    const answered = new Promise<void>((resolve) => this.#closeAnswered = resolve);
    const timer = setTimeout(() => this.#closeAnswered?.(), deadlineMs);
    try {
      await Promise.race([this.#connection.write(encodeFrame(this.#next++, "close")), answered]);
      await answered;
    } catch {
      // The peer went first; everything that it confirmed is known.
    } finally {
      clearTimeout(timer);
      this.#fail(new PeerError("Cannot send: the session is closed"));
    }
  }

  /** Ends the session at once; unanswered batches reject with `reason`. */
  cut(reason: string): void {
    this.#fail(new PeerError(`Cannot deliver to ${this.#connection.peerAddress}: ${reason}`));
  }

  async #readOpenAnswer(): Promise<void> {
    const address = this.#connection.peerAddress;
    for (;;) {
      const chunk = await this.#connection.read();
      if (chunk === undefined) {
        throw new PeerError(
          `Cannot open a RELP session with ${address}: it closed the connection or did not answer within ${this.#options.timeoutMs} ms`,
        );
      }
      let refusal: string | undefined;
      let answered = false;
      const rest = this.#answers.read(chunk, (answer) => {
        if (answer.transaction !== 1) return `answer to transaction ${answer.transaction} before that to open`;
        answered = true;
        refusal = refusalOfOpen(answer);
        return undefined;
      });
      if (rest !== undefined) throw new PeerError(`Cannot open a RELP session with ${address}: ${rest}`);
      if (refusal !== undefined) throw new PeerError(`Cannot open a RELP session with ${address}: ${refusal}`);
      if (answered) return;
    }
  }

  /** Writes while there is something to send and room in the window; one task at a time. */
  async #write(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    try {
      while (this.#fillFrames()) {
        await this.#connection.write(this.#frames.written);
        this.#frames.clear();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#writing = false;
    }
  }

  /**
   * Lets out what answers have made room for, when their batches are committed: a kill in between would repeat those and
   * what went out for them. The commits are the next thing that happens, before timers and sockets have their turn.
   */
  #writeAfterCommits(): void {
    if (this.#committing) return;
    this.#committing = true;
    setImmediate(() => {
      this.#committing = false;
      this.#write();
    });
  }

  /** Encodes what the window and the buffer take; false when there is nothing worth a write now. */
  #fillFrames(): boolean {
    if (this.#failure !== undefined || this.#committing) return false;
    let room = this.#roomNow();
    while (room > 0 && this.#queue.length > 0) {
      const { batch, header, delivery } = this.#queue[0]!;
      const before = delivery.sent;
      const full = header === undefined
        ? this.#encodeLaidOut(batch, this.#options.layout!, delivery, room)
        : this.#encode(batch, header, delivery, room);
      room -= delivery.sent - before;
      if (delivery.sent === batch.count) this.#queue.shift();
      if (full) break;
    }
    return this.#frames.length > 0;
  }

  /**
   * How many frames to send now: as many as there is room for, but no dribble of small writes while the window is nearly
   * full. An eighth of the window is kept back for prompts.
   */
  #roomNow(): number {
    const room = this.#window.room(this.#next);
    const reserve = this.#window.size >> 3;
    if (this.#prompting) return Math.min(room, 1);
    const free = room - reserve;
    if (free > 0 && (free >= reserve || free >= this.#unsentRecords())) return free;
    return reserve === 0 ? room : 0;
  }

  /**
   * Sends a single frame a millisecond after answers came, unless more was sent meanwhile. Its packet carries the TCP
   * acknowledgement without which a server that has Nagle's algorithm on (librelp) holds its further answers back for
   * 40 ms. At once would be too soon: a frame for every few answers costs six times the CPU.
   */
  #promptSoon(): void {
    this.#nextAtAnswers = this.#next;
    if (this.#promptTimer !== undefined || this.#queue.length === 0) return;
    this.#promptTimer = setTimeout(() => {
      this.#promptTimer = undefined;
      if (this.#writing || this.#committing) return this.#promptSoon(); // what is on its way may have left before the answers came
      if (this.#next !== this.#nextAtAnswers) return;
      this.#prompting = true;
      this.#write();
      this.#prompting = false;
    }, 1);
  }

  /** Encodes up to `room` records; true when the buffer is full. */
  #encode(batch: Batch, header: PayloadHeader, delivery: Delivery, room: number): boolean {
    const { bytes, bounds } = batch;
    const end = Math.min(batch.count, delivery.sent + room);
    while (delivery.sent < end) {
      const start = bounds[2 * delivery.sent]!;
      const prefix = bytes[start] === 32 ? header.beforeSpace : header.beforeText;
      if (!this.#frames.append(this.#next, commands.syslog, prefix, bytes, start, bounds[2 * delivery.sent + 1]!)) {
        return true;
      }
      this.#next++;
      delivery.sent++;
    }
    return false;
  }

  /** The same with a template, which looks into every record. */
  #encodeLaidOut(batch: Batch, layout: RecordLayout, delivery: Delivery, room: number): boolean {
    const end = Math.min(batch.count, delivery.sent + room);
    while (delivery.sent < end) {
      layout.find(batch, delivery.sent);
      const { bytes: prefix, start, end: stop, tail } = layout;
      if (!this.#frames.append(this.#next, commands.syslog, prefix, batch.bytes, start, stop, tail)) return true;
      this.#next++;
      delivery.sent++;
    }
    return false;
  }

  #unsentRecords(): number {
    let sum = 0;
    for (const { delivery } of this.#queue) sum += delivery.count - delivery.sent;
    return sum;
  }

  async #readAnswers(): Promise<void> {
    try {
      for (;;) {
        const chunk = await this.#connection.read();
        if (chunk === undefined) {
          throw new PeerError(`Cannot deliver to ${this.#connection.peerAddress}: the peer closed the connection`);
        }
        this.#heardAtMs = performance.now();
        const mistake = this.#answers.read(chunk, (answer) => this.#take(answer));
        if (mistake !== undefined) throw new PeerError(`Cannot deliver to ${this.#connection.peerAddress}: ${mistake}`);
        this.#writeAfterCommits();
        this.#promptSoon();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Takes one answer; the result is what is wrong with it. */
  #take(answer: Answer): string | undefined {
    if (answer.hint === "serverclose") return "the peer ends the session (serverclose)";
    if (this.#closeAnswered !== undefined && answer.transaction === this.#next - 1) {
      this.#closeAnswered();
      return undefined;
    }
    if (answer.mistake !== undefined) return answer.mistake;
    const known = this.#window.answer(
      answer.transaction,
      answer.code === 200 ? undefined : `${answer.code} ${answer.text}`.trim(),
    );
    return known ? undefined : `answer to transaction ${answer.transaction}, which is not open`;
  }

  /** One timer while something is unanswered; none when idle. */
  #watch(): void {
    if (this.#watchdog !== undefined) return;
    this.#watchdog = setTimeout(() => {
      this.#watchdog = undefined;
      if (this.#failure !== undefined || this.#window.empty) return;
      if (performance.now() - this.#heardAtMs >= this.#options.timeoutMs) {
        const { timeoutMs } = this.#options;
        this.#fail(
          new SilenceError(`Cannot deliver to ${this.#connection.peerAddress}: no answer for ${timeoutMs} ms`),
        );
      } else this.#watch();
    }, Math.min(1_000, this.#options.timeoutMs));
  }

  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = cause instanceof PeerError ? cause : new PeerError(String(cause), { cause });
    clearTimeout(this.#watchdog);
    clearTimeout(this.#promptTimer);
    this.#queue.length = 0;
    this.#connection.destroy();
    this.#closeAnswered?.(); // there will be no answer: whoever waits for it goes on
    for (const delivery of this.#window.drain()) {
      delivery.done.catch(() => {});
      delivery.reject(this.#failure);
    }
  }
}

/** Why the answer to `open` is not good enough; undefined when it is. */
function refusalOfOpen(answer: Answer): string | undefined {
  if (answer.mistake !== undefined) return answer.mistake;
  if (answer.code !== 200) return `it answers ${answer.code} ${answer.text}`;
  const offers = parseOffers(answer.data);
  const version = offers.get("relp_version");
  if (version !== undefined && version !== "0") return `it answers with RELP version ${version}, and 0 was offered`;
  const accepted = (offers.get("commands") ?? "").split(",").includes("syslog");
  return accepted ? undefined : "it does not offer the command syslog";
}
