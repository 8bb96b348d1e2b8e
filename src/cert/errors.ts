/** Errors of enrolment that somebody catches: each has its own exit code. */
import { TryLaterError } from "../pipeline/errors.ts";

/** The signing end said no: another try with the same words would end the same. Exit code 77 (EX_NOPERM). */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

/** The clock here cannot be right, so nothing can be said about certificates yet. Exit code 79. */
export class ClockError extends Error {
  override readonly name = "ClockError";
}

/** The signing end asks for patience: the request waits for a person, or there is too much to do. Exit code 75. */
export class PendingError extends TryLaterError {
  /** What it asked for; undefined when it named no time. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs: number | undefined) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}
