/** The few errors that somebody catches. All others are plain `Error`s. */

/** The caller's mistake in arguments: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A configuration that cannot be used: exit code 2. `problems` are complete lines, one per mistake. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/** A peer that is away, stalled or broken. What was not confirmed is sent again after a pause. */
export class PeerError extends Error {
  override readonly name = "PeerError";
}

/** A peer that was there and did nothing for as long as it may: to go back to it soon would cost as much again. */
export class SilenceError extends PeerError {}

/** A peer that is gone for good (a closed pipe): the pump ends with it instead of trying again. */
export class GoneError extends Error {
  override readonly name = "GoneError";
}

/** Something that may work later: exit code 75. */
export class TryLaterError extends Error {
  override readonly name = "TryLaterError";
}

/** The text of anything thrown, with the causes that add something. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message === "" ? error.name : error.message;
  const cause = error.cause === undefined ? "" : errorText(error.cause);
  return cause === "" || own.includes(cause) ? own : `${own}: ${cause}`;
}

/** A copy of `error`'s text prefixed by action, object and state, as all messages of the agent are. */
export function failure(verb: string, what: string, error: unknown, hint?: string): Error {
  const text = `Cannot ${verb} ${what}: ${errorText(error)}`;
  return new Error(hint === undefined ? text : `${text}\nTry: ${hint}`, { cause: error });
}
