// deno-lint-ignore-file camelcase -- names of the protocol of NATS
/** What a stream answers to a record (JetStream's PubAck), and what follows from it. Pure. */

/** held: its replicas have it, or had it before. refused: this record never. failed: not now. */
export type Verdict = { readonly kind: "held" } | { readonly kind: "refused" | "failed"; readonly reason: string };

/** Judges an answer. @param status of the header, 503 where nobody listens to the subject */
export function judgeAnswer(status: number | undefined, data: Uint8Array, stream: string): Verdict {
  if (status === 503) {
    return {
      kind: "failed",
      reason: "no stream takes the subject just now: is it in the stream's subjects, has it a leader?",
    };
  }
  let answer: Answer;
  try {
    answer = JSON.parse(new TextDecoder().decode(data)) as Answer;
  } catch {
    return { kind: "failed", reason: "the answer is no confirmation of a stream: another service takes the subject" };
  }
  if (answer.error !== undefined) {
    const { code, err_code: number, description } = answer.error;
    const reason = `${code ?? 0} ${description ?? "refused"} (${number ?? 0})`;
    return { kind: refusals.has(number ?? 0) ? "refused" : "failed", reason };
  }
  if (answer.stream !== stream) {
    return { kind: "failed", reason: `the subject belongs to stream "${answer.stream ?? "?"}", not to "${stream}"` };
  }
  return { kind: "held" };
}

interface Answer {
  readonly stream?: string;
  readonly error?: { readonly code?: number; readonly err_code?: number; readonly description?: string };
}

/** Error numbers of the server that no repetition changes: 10054 message size exceeds maximum allowed. */
const refusals: ReadonlySet<number> = new Set([10054]);
