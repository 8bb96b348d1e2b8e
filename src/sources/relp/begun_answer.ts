/**
 * The answer to the oldest unanswered message, begun before its record is safe and given octet by octet. Pure.
 *
 * librelp leaves Nagle's algorithm on: while we have not acknowledged one small segment of it, it holds the next one
 * back, and the kernel acknowledges alone only after 40 ms. Whatever we send carries the kernel's acknowledgement, so
 * an octet that says nothing yet lets the client go on:
 *
 * ```text
 *   4711 rsp 6 200 OK LF
 *   ╰────────╯╰────────╯
 *   may go early  when the disk has the record, at once and whole
 * ```
 *
 * An answer that is begun and not finished acknowledges nothing: no client can tell what its code will be.
 */
import { encodeFrame } from "../../formats/relp.ts";

/** At most one answer at a time. */
export class BegunAnswer {
  #bytes: Uint8Array = nothing;
  #sent = 0;

  /** Whether the client has a part of an answer: nothing else may be sent before its rest. */
  get begun(): boolean {
    return this.#sent > 0;
  }

  /** How long the client may wait for the next octet: the fewer are left, the longer, so that they last for some 60 ms. */
  get delayMs(): number {
    return 1 + (this.#sent >> 1);
  }

  /** The next octet of the answer to `transaction`; undefined when all that may go early has gone. */
  next(transaction: number): Uint8Array | undefined {
    if (this.#sent === 0) this.#bytes = encodeFrame(transaction, "rsp", "200 OK");
    if (this.#sent === this.#bytes.length - lateBytes) return undefined;
    return this.#bytes.subarray(this.#sent, ++this.#sent);
  }

  /** The rest of the answer, now that the record is safe. */
  finish(): Uint8Array {
    const rest = this.#bytes.subarray(this.#sent);
    this.#sent = 0;
    return rest;
  }
}

const nothing = new Uint8Array(0);
/** `200 OK` and LF: what makes it an acknowledgement. */
const lateBytes = 7;
