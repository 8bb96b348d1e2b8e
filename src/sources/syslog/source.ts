/**
 * The sources `syslog`, `tcp` and `tls`: a syslog server on UDP, TCP, TLS or a Unix socket, and a server for plain lines.
 * Records are kept as they came; in syslog one with a `<PRI>` has its own header, one without is plain. It cannot read
 * again, and its senders do not repeat: what it has read must be safe (in the spool) before the process may end.
 */
import type { Batch } from "../../pipeline/batch.ts";
import type { Position } from "../../pipeline/checkpoint.ts";
import type { BatchLimits, Source } from "../../pipeline/source.ts";
import { Channel } from "../../system/channel.ts";
import type { TlsOptions } from "../../tls/dial.ts";
import { openDatagramIntake } from "./datagrams.ts";
import type { Give, Intake } from "./intake.ts";
import { piecesOf } from "./records.ts";
import { openStreamIntake } from "./streams.ts";

/** Where syslog comes in; `unix` is a datagram socket, `unix-stream` a stream socket. */
export type SyslogListen =
  | { readonly transport: "udp"; readonly host: string; readonly port: number }
  | { readonly transport: "tcp"; readonly host: string; readonly port: number; readonly tls?: TlsOptions }
  | { readonly transport: "unix" | "unix-stream"; readonly path: string };

/** Where to listen, and what the records say of themselves where they say nothing. */
export interface SyslogSourceOptions {
  readonly id: string;
  readonly listen: SyslogListen;
  /**
   * What a stream holds. `syslog` (default): records by line or by count, each with its own header where it begins with
   * `<PRI>`. `lines`: lines as they are, whatever they begin with, all plain.
   */
  readonly records?: "syslog" | "lines";
  /** Host of what comes over a Unix socket; over the network it is the sender's address. */
  readonly hostname: string;
  /** Program of records without a header; default `syslog`. */
  readonly program?: string;
  /** Facility × 8 + severity of records without a header. */
  readonly priority: number;
  /** Longer records are split. */
  readonly maxMessageBytes: number;
  /** Permission bits of a Unix socket; default 0666, because every program may log. */
  readonly mode?: number;
  /** Connections at once; more are turned away. Default 1,000. */
  readonly maxConnections?: number;
  /** Datagrams held for a slow consumer, in bytes. Default 4 MiB. */
  readonly maxHeldBytes?: number;
  /** How often the kernel is asked what it dropped of UDP. Default 5 s. */
  readonly dropCheckMs?: number;
}

/** A listening syslog source. Dispose it to stop listening; the end of `read` does so, too. */
export interface SyslogSource extends Source, AsyncDisposable {
  /** As bound, for messages: `udp 127.0.0.1:514`, `unix /dev/log`. */
  readonly address: string;
  /** As bound; undefined for a Unix socket. */
  readonly port: number | undefined;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

/** Begins to listen. @throws when the address cannot be bound or the certificate cannot be used */
export async function openSyslogSource(options: SyslogSourceOptions): Promise<SyslogSource> {
  return new SyslogServer(options, await openRun(options));
}

/** One time of listening, from its begin to its end. */
interface Run {
  readonly intake: Intake;
  readonly channel: Channel<Batch>;
}

async function openRun(options: SyslogSourceOptions): Promise<Run> {
  const channel = new Channel<Batch>(16);
  const intake = await openIntake(options, (batch) => channel.give(batch));
  intake.done.then(() => channel.close());
  return { intake, channel };
}

function openIntake(options: SyslogSourceOptions, give: Give): Promise<Intake> {
  const { listen, program = "syslog", mode = 0o666, maxConnections = 1_000, records = "syslog" } = options;
  const { maxHeldBytes = 4 * 1024 * 1024, dropCheckMs = 5_000 } = options;
  switch (listen.transport) {
    case "udp":
      return openDatagramIntake({ ...options, program, listen, maxHeldBytes, dropCheckMs }, give);
    case "unix":
      return openDatagramIntake({
        ...options,
        program,
        listen: { transport: "unix", path: listen.path, mode },
        maxHeldBytes,
        dropCheckMs,
      }, give);
    case "tcp":
      return openStreamIntake({ ...options, program, records, listen, maxConnections }, give);
    case "unix-stream":
      return openStreamIntake({
        ...options,
        program,
        records,
        listen: { transport: "unix-stream", path: listen.path, mode },
        maxConnections,
      }, give);
  }
}

class SyslogServer implements SyslogSource {
  readonly id: string;
  readonly replayable = false;
  readonly address: string;
  readonly port: number | undefined;
  readonly #options: SyslogSourceOptions;
  #run: Run | undefined;

  constructor(options: SyslogSourceOptions, run: Run) {
    this.id = options.id;
    this.address = run.intake.address;
    this.port = run.intake.port;
    this.#options = options;
    this.#run = run;
  }

  async *read(_from: Position | undefined, limits: BatchLimits, signal: AbortSignal): AsyncGenerator<Batch> {
    const run = this.#run ??= await openRun(this.#options);
    const stop = (): void => run.intake.stop();
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    try {
      for await (const batch of run.channel.values()) yield* piecesOf(batch, limits.maxRecords);
    } finally {
      signal.removeEventListener("abort", stop);
      await this[Symbol.asyncDispose]();
    }
  }

  readonly [Symbol.asyncDispose] = async (): Promise<void> => {
    const run = this.#run;
    this.#run = undefined;
    if (run === undefined) return;
    run.channel.close();
    run.intake.close();
    await run.intake.done;
  };
}
