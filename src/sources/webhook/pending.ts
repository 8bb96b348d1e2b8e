/** Requests whose records are on their way: who is to be told what when they are safe. Pure. */
import type { Position } from "../../pipeline/checkpoint.ts";

/** What became of the records of a request. */
export type Outcome = "stored" | "refused" | "late";

interface Waiting {
  /** Batches that are not safe yet. */
  left: number;
  refused: boolean;
  readonly settle: (outcome: Outcome) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** Requests by the key that their batches carry in their positions. */
export class PendingRequests {
  readonly #waiting = new Map<string, Waiting>();
  #arrivals = 0;

  /** Requests that wait for an answer. */
  get size(): number {
    return this.#waiting.size;
  }

  /** A request of `batches` batches, with the key for their positions and what will become of them. */
  open(batches: number, timeoutMs: number): { readonly key: string; readonly outcome: Promise<Outcome> } {
    const key = String(++this.#arrivals);
    const outcome = new Promise<Outcome>((resolve) => {
      const settle = (outcome: Outcome): void => {
        clearTimeout(timer);
        this.#waiting.delete(key);
        resolve(outcome);
      };
      const timer = setTimeout(() => settle("late"), timeoutMs);
      this.#waiting.set(key, { left: batches, refused: false, settle, timer });
    });
    return { key, outcome };
  }

  /** The spool dropped records of the batch with this position: its request is not answered as stored. */
  refuse(position: Position): void {
    for (const key of Object.keys(position)) {
      const waiting = this.#waiting.get(key);
      if (waiting !== undefined) waiting.refused = true;
    }
  }

  /** The batch with this position is safe; the last one of a request answers it. */
  confirm(position: Position): void {
    for (const key of Object.keys(position)) {
      const waiting = this.#waiting.get(key);
      if (waiting !== undefined && --waiting.left === 0) waiting.settle(waiting.refused ? "refused" : "stored");
    }
  }

  /** Nothing more will be confirmed. */
  giveUp(): void {
    for (const { settle } of [...this.#waiting.values()]) settle("late");
  }
}
