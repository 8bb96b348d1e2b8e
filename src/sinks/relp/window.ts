/** What was sent and is not yet answered: transactions in order, answers in any order. Pure. */
import type { Rejection } from "../../pipeline/sink.ts";

/** One batch on its way over one session. */
export class Delivery {
  readonly count: number;
  /** Transaction of its first record; record i has `first + i`. Set when it is added to a window. */
  first = 0;
  /** Records of it that are in frames already. */
  sent = 0;
  answered = 0;
  readonly rejections: Rejection[] = [];
  /** One byte per record: answers may come in any order, and twice. */
  readonly answers: Uint8Array;
  readonly done: Promise<readonly Rejection[]>;
  readonly resolve: (rejections: readonly Rejection[]) => void;
  readonly reject: (error: Error) => void;

  /** @param count records of the batch, ≥ 1 */
  constructor(count: number) {
    this.count = count;
    this.answers = new Uint8Array(count);
    const { promise, resolve, reject } = Promise.withResolvers<readonly Rejection[]>();
    this.done = promise;
    this.resolve = resolve;
    this.reject = reject;
  }
}

/** Deliveries of one session, oldest first, and how much more may be sent. */
export class Window {
  readonly size: number;
  readonly #deliveries: Delivery[] = [];
  /** Transaction of the first record of the next delivery. */
  #nextFirst: number;

  /**
   * @param size frames without an answer at the most, ≥ 1
   * @param firstTransaction that of the first frame
   */
  constructor(size: number, firstTransaction: number) {
    this.size = size;
    this.#nextFirst = firstTransaction;
  }

  get empty(): boolean {
    return this.#deliveries.length === 0;
  }

  add(delivery: Delivery): void {
    delivery.first = this.#nextFirst;
    this.#nextFirst += delivery.count;
    this.#deliveries.push(delivery);
  }

  /** The oldest delivery that has records left to send. */
  get unsent(): Delivery | undefined {
    for (const delivery of this.#deliveries) if (delivery.sent < delivery.count) return delivery;
    return undefined;
  }

  /**
   * Frames that may be sent now, when the next transaction is `next`. Counted from the first record of the oldest
   * delivery (from its unanswered part when it is larger than the window), as all of it is repeated by a crash until it is
   * answered in full. What is answered and not committed is the pump's to count (`Sink.windowRecords`).
   */
  room(next: number): number {
    const oldest = this.#deliveries[0];
    if (oldest === undefined) return this.size;
    return this.size - (next - oldest.first - (oldest.count <= this.size ? 0 : oldest.answered));
  }

  /**
   * Frames worth sending now, of `unsent` ones that are there. All of them while little is on its way; then an eighth of the
   * window is kept back, of the room in it and of what is unsent: something must be left to prompt a server that holds its
   * answers back. Never a dribble of small writes.
   */
  allowance(next: number, unsent: number): number {
    const room = this.room(next);
    if (this.size - room + unsent <= this.size >> 1) return room;
    const reserve = this.size >> 3;
    const free = Math.min(room, unsent) - reserve;
    return free > 0 && free >= reserve ? free : 0;
  }

  /**
   * Takes the answer to a transaction; resolves every delivery that is answered in full, in order.
   * @param refusal the peer's words when it is not 200
   * @returns false when no such answer was expected
   */
  answer(transaction: number, refusal?: string): boolean {
    for (const delivery of this.#deliveries) {
      const index = transaction - delivery.first;
      if (index >= delivery.sent) continue;
      if (index < 0 || delivery.answers[index] === 1) return false;
      delivery.answers[index] = 1;
      delivery.answered++;
      if (refusal !== undefined) delivery.rejections.push({ index, reason: refusal });
      if (delivery.answered === delivery.count) this.#settle();
      return true;
    }
    return false;
  }

  /** Takes out everything, for the end of a session. */
  drain(): readonly Delivery[] {
    return this.#deliveries.splice(0);
  }

  #settle(): void {
    while (this.#deliveries[0]?.answered === this.#deliveries[0]?.count && this.#deliveries.length > 0) {
      const delivery = this.#deliveries.shift()!;
      delivery.resolve(delivery.rejections);
    }
  }
}
