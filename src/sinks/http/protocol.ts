/** What the sinks over HTTP differ in: how a request is made of records, and what an answer says of them. */
import type { HttpAnswer } from "../../formats/http_message.ts";
import type { Batch } from "../../pipeline/batch.ts";

/** One receiver's rules. Used by one request after the other. */
export interface HttpProtocol {
  readonly method: "POST" | "PUT";
  /** With its query. */
  readonly path: string;
  /** Beside those that every request has. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: RequestBody;
  /** What became of the `count` records of a request, in their order. @throws when the answer breaks the protocol */
  judge(answer: HttpAnswer, count: number): Verdict;
}

/** A request that is being made. */
export interface RequestBody {
  /** Bytes so far, about. */
  readonly length: number;
  clear(): void;
  add(batch: Batch, index: number): void;
  /** The complete body; valid until the next call of any method. */
  finish(): Uint8Array;
}

/** What an answer says. */
export type Verdict =
  /** The peer holds all records. */
  | { readonly kind: "held" }
  /** Nothing of it is to be sent again. */
  | { readonly kind: "refused"; readonly reason: string }
  /** Some record of it is at fault, and the peer does not say which: halves are sent, down to that one. */
  | { readonly kind: "search"; readonly reason: string }
  /** The request is too large: halves are sent. */
  | { readonly kind: "tooLarge"; readonly reason: string }
  /** All of it may be sent again, later. */
  | { readonly kind: "again"; readonly reason: string }
  /** Each record has an outcome of its own. */
  | { readonly kind: "mixed"; readonly outcomes: readonly ItemOutcome[] };

/** What became of one record. */
export interface ItemOutcome {
  readonly state: "held" | "refused" | "again";
  readonly reason: string;
}

/** What a status that is not the protocol's own business says. */
export interface StatusRules {
  /** Whether a request with this status may be sent again. */
  readonly isRetryable: (status: number) => boolean;
  /** Whether what is left, a refusal for good, is the fault of single records, which the peer tells apart. */
  readonly searches?: boolean;
}

/**
 * The verdict on a status of a whole request. Refusals of us rather than of the records (who we are, where we ask: 401,
 * 403, 404, 405, 407, and redirections) are no reason to give records up: a person has to correct something, and
 * credentials are read anew for each request.
 */
export function judgeStatus(answer: HttpAnswer, rules: StatusRules): Verdict {
  const { status } = answer;
  const reason = `${status}${peerWords(answer)}`;
  if (status >= 200 && status < 300) return { kind: "held" };
  if (status === 413) return { kind: "tooLarge", reason };
  if (status < 400 || asksForAPerson.has(status) || rules.isRetryable(status)) return { kind: "again", reason };
  return { kind: rules.searches === true ? "search" : "refused", reason };
}

/** What most receivers mean: their trouble, or too much at once (RFC 9110 section 15, RFC 6585). */
export function isUsuallyRetryable(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501 && status !== 505);
}

/** The first words of an answer's body, for messages; empty where there are none. */
export function peerWords({ body }: HttpAnswer): string {
  // deno-lint-ignore no-control-regex -- what a peer says must not steer a terminal
  const words = decoder.decode(body.subarray(0, 400)).replaceAll(/[\x00-\x1f\x7f-\x9f]+/g, " ").trim();
  return words === "" ? "" : ` ${words}`;
}

const asksForAPerson: ReadonlySet<number> = new Set([401, 403, 404, 405, 407]);
const decoder = new TextDecoder();
