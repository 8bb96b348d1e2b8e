/**
 * One RELP session over one connection: `open`, then frames and answers until it breaks or is closed.
 * The reader of answers is a task of its own, so that answers are taken while nothing is sent.
 */
import { setImmediate } from "node:timers";
import type { Batch } from "../../pipeline/batch.ts";
import { PeerError, SilenceError } from "../../pipeline/errors.ts";
import type { Rejection } from "../../pipeline/sink.ts";
import { encodeFrame, encodeOffers, FrameEncoder, parseOffers } from "../../formats/relp.ts";
import type { Connection } from "../../system/connection.ts";
import { type Answer, AnswerReader } from "./answers.ts";
import { Outgoing, type RecordLayout } from "./outgoing.ts";
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

/** An open session. Closed by the sink. */
export class RelpSession {
  readonly #connection: Connection;
  readonly #options: SessionOptions;
  readonly #window: Window;
  readonly #frames = new FrameEncoder(128 * 1024);
  readonly #outgoing: Outgoing;
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
  /** Whether a single frame or all is to be sent of what is kept back. */
  #prompting: "no" | "one" | "all" = "no";
  #releaseTimer: ReturnType<typeof setTimeout> | undefined;
  #failure: PeerError | undefined;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #heardAtMs = performance.now();
  #closeAnswered: (() => void) | undefined;
  /** The newest delivery: answered last. */
  #last: Delivery | undefined;

  private constructor(connection: Connection, options: SessionOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#outgoing = new Outgoing(options.layout);
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
    this.#outgoing.add(batch, delivery);
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
    this.#next = this.#outgoing.encode(this.#frames, this.#next, this.#roomNow());
    this.#releaseLater();
    return this.#frames.length > 0;
  }

  /** How many frames to send now. */
  #roomNow(): number {
    if (this.#prompting === "no") return this.#window.allowance(this.#next, this.#outgoing.records);
    const room = this.#window.room(this.#next);
    return this.#prompting === "one" ? Math.min(room, 1) : room;
  }

  /**
   * Sends a single frame a millisecond after answers came, unless more was sent meanwhile. Its packet carries the TCP
   * acknowledgement without which a server that has Nagle's algorithm on (librelp) holds its further answers back for
   * 40 ms. At once would be too soon: a frame for every few answers costs six times the CPU.
   */
  #promptSoon(): void {
    this.#nextAtAnswers = this.#next;
    if (this.#promptTimer !== undefined || this.#outgoing.isEmpty) return;
    this.#promptTimer = setTimeout(() => {
      this.#promptTimer = undefined;
      if (this.#writing || this.#committing) return this.#promptSoon(); // what is on its way may have left before the answers came
      if (this.#next !== this.#nextAtAnswers) return;
      this.#prompt("one");
    }, 1);
  }

  #prompt(what: "one" | "all"): void {
    this.#prompting = what;
    this.#write();
    this.#prompting = "no";
  }

  /** Sends what was kept back to a server that says nothing meanwhile: prompts are of no use to it, and the window is its own. */
  #releaseLater(): void {
    if (this.#releaseTimer !== undefined || this.#outgoing.isEmpty) return;
    this.#releaseTimer = setTimeout(() => {
      this.#releaseTimer = undefined;
      const isSilent = performance.now() - this.#heardAtMs >= releaseAfterMs;
      if (isSilent && !this.#writing && !this.#committing) this.#prompt("all");
      if (this.#window.room(this.#next) > 0) this.#releaseLater();
    }, releaseAfterMs);
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
    clearTimeout(this.#releaseTimer);
    this.#outgoing.clear();
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

/** Less than the 40 ms for which a kernel holds an acknowledgement back. */
const releaseAfterMs = 20;
