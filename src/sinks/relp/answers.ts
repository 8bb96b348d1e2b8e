/** Answers of a RELP server out of a stream of chunks. Pure: keeps the torn end of a chunk for the next one. */
import { joinBytes } from "../../formats/bytes.ts";
import { commands, isCommand, newFrameHeader, readFrameHeader } from "../../formats/relp.ts";

/** One frame from the server; the same object is filled again for the next. */
export interface Answer {
  transaction: number;
  /** 200 is success; 0 where there is none. */
  code: number;
  /** The words behind the code; empty for 200. */
  text: string;
  /** What follows the first line of an answer (offers); empty for an answer to `syslog`. */
  data: string;
  /** A command of the server's own, with transaction 0. */
  hint: "serverclose" | undefined;
  /** What is wrong with the frame, for a reader that cannot go on. */
  mistake: string | undefined;
}

/** Reads answers. One per session. */
export class AnswerReader {
  readonly #header = newFrameHeader();
  readonly #answer: Answer = { transaction: 0, code: 0, text: "", data: "", hint: undefined, mistake: undefined };
  #rest: Uint8Array | undefined;

  /**
   * Calls `take` for every whole frame; it returns what is wrong, which ends the reading.
   * @returns what is wrong with the stream; undefined when all is well so far
   */
  read(chunk: Uint8Array, take: (answer: Answer) => string | undefined): string | undefined {
    const bytes = this.#rest === undefined ? chunk : joinBytes([this.#rest, chunk]);
    this.#rest = undefined;
    const header = this.#header;
    let at = 0;
    while (at < bytes.length) {
      const result = readFrameHeader(bytes, at, bytes.length, header);
      if (result === "invalid") return `it sends what is not RELP: ${printable(bytes, at)}`;
      if (result === "complete" && header.dataLength > maxAnswerBytes) return `an answer of ${header.dataLength} bytes`;
      const end = header.dataStart + header.dataLength;
      if (result === "partial" || end >= bytes.length) break;
      if (bytes[end] !== 10) return `it sends what is not RELP: ${printable(bytes, at)}`;
      const mistake = take(this.#fill(bytes));
      if (mistake !== undefined) return mistake;
      at = end + 1;
    }
    if (at < bytes.length) this.#rest = bytes.slice(at);
    return undefined;
  }

  #fill(bytes: Uint8Array): Answer {
    const header = this.#header;
    const answer = this.#answer;
    answer.transaction = header.transaction;
    answer.code = 0;
    answer.text = "";
    answer.data = "";
    answer.hint = isCommand(bytes, header, commands.serverclose) ? "serverclose" : undefined;
    answer.mistake = undefined;
    if (answer.hint !== undefined) return answer;
    if (!isCommand(bytes, header, commands.rsp)) {
      answer.mistake = `it sends what is not an answer: ${printable(bytes, header.commandStart)}`;
    } else if (isPlainOk(bytes, header.dataStart, header.dataLength)) answer.code = 200;
    else this.#fillLong(bytes, answer);
    return answer;
  }

  /** Everything but `200 OK`: rare, so strings are fine. */
  #fillLong(bytes: Uint8Array, answer: Answer): void {
    const text = new TextDecoder().decode(
      bytes.subarray(this.#header.dataStart, this.#header.dataStart + this.#header.dataLength),
    );
    const match = /^(\d{3}) ([^\n]*)(?:\n([\s\S]*))?$/.exec(text);
    if (match === null) {
      answer.mistake = `an answer without a code and words: ${JSON.stringify(text.slice(0, 80))}`;
      return;
    }
    answer.code = Number(match[1]);
    answer.text = match[2]!.slice(0, 80);
    answer.data = match[3] ?? "";
  }
}

function isPlainOk(bytes: Uint8Array, start: number, length: number): boolean {
  return length === 6 && bytes[start] === 50 && bytes[start + 1] === 48 && bytes[start + 2] === 48 &&
    bytes[start + 3] === 32;
}

function printable(bytes: Uint8Array, at: number): string {
  return JSON.stringify(new TextDecoder().decode(bytes.subarray(at, at + 40)));
}

/** librelp's own limit for a frame. */
const maxAnswerBytes = 128 * 1024;
