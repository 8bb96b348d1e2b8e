/**
 * Ids of records that are the same whenever a record is read or sent again, so that a store can tell that it has it. They
 * are made of the place in the source and of the content: two records of one place and one content are one. Pure.
 */
import type { Batch } from "../pipeline/batch.ts";
import { hash53 } from "./fingerprint.ts";

/** Makes the ids; keeps what is common to a batch. */
export class RecordIds {
  #batch: Batch | undefined;
  #prefix = "";

  /** The id of record `index`: up to 60 characters of `a-z`, `0-9`, `-` and `.`. */
  idOf(batch: Batch, index: number): string {
    if (batch !== this.#batch) this.#begin(batch);
    const start = batch.bounds[2 * index]!;
    const number = batch.places?.numberOf(index);
    // Without a place, the id holds as long as the process: for what is sent again because the answer was lost.
    const place = number === undefined
      ? `r${batch.origin.readAtMs.toString(36)}.${start.toString(36)}`
      : number.toString(36);
    return `${this.#prefix}-${place}-${hash53(batch.bytes, start, batch.bounds[2 * index + 1]!).toString(36)}`;
  }

  #begin(batch: Batch): void {
    const { source, host, readAtMs } = batch.origin;
    const place = batch.places?.thing ?? `${processKey}:${readAtMs}:${JSON.stringify(batch.position)}`;
    this.#batch = batch;
    this.#prefix = hash53(encoder.encode(`${source}\0${host}\0${place}`)).toString(36);
  }
}

const processKey = crypto.randomUUID();
const encoder = new TextEncoder();
