/** Answers of the `_bulk` interface of Elasticsearch and of those that speak it. Pure. */

/** What became of one item of a request. */
export interface BulkOutcome {
  /** The peer holds it, it was refused for good, or it may be sent again. */
  readonly state: "held" | "refused" | "again";
  /** The peer's words; empty where it holds it. */
  readonly reason: string;
}

/**
 * What became of each of `count` items sent with `create`, in their order; undefined: the peer holds all of them. An item
 * whose id is there already (409) is held: it was sent before, and the answer was lost.
 * @throws when the text is no such answer
 */
export function parseBulkAnswer(text: string, count: number): readonly BulkOutcome[] | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Error("its answer is not JSON");
  }
  if (typeof answer !== "object" || answer === null) throw new Error("its answer is no object");
  const { errors, items } = answer as { errors?: unknown; items?: unknown };
  if (errors === undefined && items === undefined && "error" in answer) throw new Error(errorText(answer.error));
  if (errors !== true) return undefined;
  if (!Array.isArray(items) || items.length !== count) {
    const found = Array.isArray(items) ? items.length : "no";
    throw new Error(`its answer has ${found} items for ${count} records`);
  }
  return items.map(outcomeOf);
}

function outcomeOf(item: unknown): BulkOutcome {
  const result: unknown = typeof item === "object" && item !== null ? Object.values(item)[0] : undefined;
  const { status, error } = (typeof result === "object" && result !== null ? result : {}) as Record<string, unknown>;
  if (typeof status !== "number") throw new Error("an item of its answer has no status");
  if ((status >= 200 && status < 300) || status === 409) return held;
  const reason = `${status} ${errorText(error)}`.trimEnd();
  return { state: status === 429 || (status >= 500 && status !== 501) ? "again" : "refused", reason };
}

function errorText(error: unknown): string {
  if (typeof error === "string") return error.slice(0, maxReasonChars);
  if (typeof error !== "object" || error === null) return "";
  const { type, reason } = error as Record<string, unknown>;
  return [type, reason].filter((part) => typeof part === "string").join(": ").slice(0, maxReasonChars);
}

const held: BulkOutcome = { state: "held", reason: "" };
const maxReasonChars = 500;
