/** What a sink may do with records that it cannot deliver, as its configuration says, and where they are kept. */
import type { Aside } from "../pipeline/aside.ts";
import { errorText } from "../pipeline/errors.ts";
import { DeadLetters } from "../spool/dead_letters.ts";
import { openLog } from "../system/log.ts";

/** The policy of a sink. */
export interface AsideOptions {
  readonly sink: string;
  /** Folder of its dead letters. */
  readonly folder: string;
  readonly maxBytes: number;
  /** Failed tries in a row after which a batch is kept aside; −1: never; 0 is taken as 1. */
  readonly resumeRetryCount: number;
  /** How often refused records are sent again. */
  readonly refusedRetryCount: number;
}

/** One per sink, for all its pumps. Closed by the engine, after the sink. */
export class SinkAside implements Aside, Disposable {
  readonly refusedRetries: number;
  readonly #options: AsideOptions;
  readonly #letters: DeadLetters;
  #troubled = false;

  constructor(options: AsideOptions) {
    this.#options = options;
    this.refusedRetries = options.refusedRetryCount;
    this.#letters = new DeadLetters(options);
  }

  /** Bytes of dead letters that had to make room for newer ones. */
  get removedBytes(): number {
    return this.#letters.removedBytes;
  }

  keepRefused: Aside["keepRefused"] = (batch, rejections) => {
    try {
      this.#letters.keep(batch, rejections, "refused");
      this.#troubled = false;
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  };

  keepAbandoned: Aside["keepAbandoned"] = (batch, failures, reason) => {
    const { resumeRetryCount, sink } = this.#options;
    if (resumeRetryCount < 0 || failures < Math.max(1, resumeRetryCount)) return Promise.resolve(false);
    try {
      const records = Array.from({ length: batch.count }, (_, index) => ({ index, reason }));
      this.#letters.keep(batch, records, "tries");
      this.#troubled = false;
      return Promise.resolve(true);
    } catch (error) {
      if (!this.#troubled) log.error(`${sink}: goes on trying, as giving up would lose records: ${errorText(error)}`);
      this.#troubled = true;
      return Promise.resolve(false);
    }
  };

  [Symbol.dispose](): void {
    this.#letters[Symbol.dispose]();
  }
}

const log = openLog("sink");
