/** What a command gets from the process, so that it can be run in a test without being a process. */

/** Signals that a command may ask to be told of; SIGINT and SIGTERM come as the abort of `signal`. */
export type NoticedSignal = "SIGHUP" | "SIGUSR1";

/** The surroundings of a command. */
export interface CommandContext {
  /** Aborts at the first SIGINT or SIGTERM; `reason` is that name. */
  readonly signal: AbortSignal;
  /** Calls `handler` at every such signal, until the process ends. */
  onSignal(name: NoticedSignal, handler: () => void): void;
  /** Writes a result to stdout. The agent's own log goes to stderr through `system/log.ts`. */
  print(text: string): void;
}

/** What every file of `commands/` exports. */
export interface CommandModule {
  /** Runs the command with the words behind its name; the result is the exit code. */
  run(words: readonly string[], context: CommandContext): Promise<number>;
}
