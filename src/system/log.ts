/**
 * The agent's own log: stderr, one line per event, text or JSON (`@logtape/logtape`). While something stays as it is
 * it is said once; see {@linkcode LogLevel} for what each level asks of the reader.
 */
import { configureSync, getLogger, type LogLevel as TapeLevel, type LogRecord } from "@logtape/logtape";

/** `error`: act now · `warning`: something is lost or at risk · `info`: a change of state · `debug`: for developers. */
export type LogLevel = "error" | "warning" | "info" | "debug";

/** The levels, quietest first: the values of `--log-level`. */
export const logLevels: readonly LogLevel[] = ["error", "warning", "info", "debug"];

/** How the log is written. */
export interface LogOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json";
}

/** Directs the log of the whole process to stderr. Called once, by the command line. */
export function configureLog(options: LogOptions): void {
  const encode = options.format === "json" ? jsonLine : textLine;
  const encoder = new TextEncoder();
  configureSync({
    reset: true,
    sinks: {
      stderr: (record) =>
        writeLine === undefined ? writeStderr(encoder.encode(encode(record) + "\n")) : writeLine(encode(record)),
    },
    loggers: [
      { category: "agent", lowestLevel: options.level as TapeLevel, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
}

/**
 * Lines of the log go through `write` from now on, without their LF; undefined: straight to stderr again. For a bar on the
 * terminal, which has to make room for them: `write` must bring them to stderr.
 */
export function setLogWriter(write: ((line: string) => void) | undefined): void {
  writeLine = write;
}

/** The log of one part. Each call is one line; the text is taken as it is, braces and all. */
export type Log = Readonly<Record<LogLevel, (text: string) => void>>;

/** The log of one part; `part` is the word that begins its lines, for example `relp`. */
export function openLog(part: string): Log {
  const logger = getLogger(["agent", part]);
  return {
    error: (text) => logger.error("{text}", { text }),
    warning: (text) => logger.warning("{text}", { text }),
    info: (text) => logger.info("{text}", { text }),
    debug: (text) => logger.debug("{text}", { text }),
  };
}

function textLine(record: LogRecord): string {
  const time = new Date(record.timestamp).toISOString();
  return `${time} ${record.level.padEnd(7)} ${record.category.slice(1).join(".")}: ${record.message.join("")}`;
}

function jsonLine(record: LogRecord): string {
  return JSON.stringify({
    time: new Date(record.timestamp).toISOString(),
    level: record.level,
    part: record.category.slice(1).join("."),
    message: record.message.join(""),
  });
}

function writeStderr(bytes: Uint8Array): void {
  try {
    Deno.stderr.writeSync(bytes);
  } catch {
    // A closed stderr must not end the agent: there is nowhere left to say so.
  }
}

let writeLine: ((line: string) => void) | undefined;
