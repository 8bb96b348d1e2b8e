/**
 * Where one source stands towards a sink of slices: kept in the sink's journal, with the lengths of its files. The usual
 * store beside it gets every position, too: it is what counts when the folder is lost, and it holds the token by which
 * positions of another state folder are told from ours.
 */
import type { Checkpoints, Position, PositionValue } from "../../pipeline/checkpoint.ts";
import type { SliceJournal } from "./slice_journal.ts";

/** Positions of one pair. */
export class PairPositions implements Checkpoints {
  readonly pair: string;
  readonly #store: Checkpoints;
  readonly #journal: SliceJournal;
  readonly #keep: (position: Position) => void;
  readonly #drain: () => Promise<void>;
  /** Of batches that were sent and are not committed, oldest first, and whether the journal has them. */
  readonly #sent: { readonly position: Position; journaled: boolean }[] = [];

  /**
   * @param keep makes a position durable in the journal, soon
   * @param drain resolves when nothing is on its way any more, be it safe or failed
   */
  constructor(
    pair: string,
    store: Checkpoints,
    journal: SliceJournal,
    keep: (position: Position) => void,
    drain: () => Promise<void>,
  ) {
    this.pair = pair;
    this.#store = store;
    this.#journal = journal;
    this.#keep = keep;
    this.#drain = drain;
  }

  /** The journal's position where it belongs to the store's state; else the store's. */
  async get(id: string): Promise<Position | undefined> {
    await this.#drain(); // of a pump that ended meanwhile: what it sent is not to be read and sent again
    this.#sent.length = 0;
    const stored = await this.#store.get(id);
    const { [tokenKey]: token, ...position } = stored ?? {};
    const own = Object.keys(position).length === 0 ? undefined : position;
    if (token !== undefined && token === this.#journal.token(this.pair)) {
      return this.#journal.position(this.pair) ?? own;
    }
    const fresh = crypto.randomUUID();
    this.#journal.beginPair(this.pair, fresh);
    await this.#store.commit(id, { [tokenKey]: fresh });
    if (own !== undefined) this.#keep(own);
    return own;
  }

  /** A batch with this position is on its way. */
  sent(position: Position): void {
    this.#sent.push({ position, journaled: false });
  }

  /** The journal has it. */
  journaled(position: Position): void {
    const entry = this.#sent.find((one) => one.position === position && !one.journaled);
    if (entry !== undefined) entry.journaled = true;
  }

  /** What was sent and did not arrive is sent again. */
  reset(): void {
    for (let i = this.#sent.length - 1; i >= 0; i--) if (!this.#sent[i]!.journaled) this.#sent.splice(i, 1);
  }

  /**
   * A batch is done with. The journal has it already if it was sent; a batch that rules left nothing of was not, and where
   * later ones were written meanwhile, what they say counts.
   */
  async commit(id: string, position: Position): Promise<void> {
    const index = this.#sent.findIndex((one) => one.position === position);
    if (index >= 0) this.#sent.splice(0, index + 1);
    else {
      const left: Record<string, PositionValue> = { ...position };
      for (const later of this.#sent) for (const key of Object.keys(later.position)) delete left[key];
      if (Object.keys(left).length > 0) this.#keep(left);
    }
    await this.#store.commit(id, position);
  }
}

/** No source has a key like it: a file's are inodes and devices, all others are words. */
const tokenKey = "\u0000slices";
