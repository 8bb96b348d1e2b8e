/** What the kinds of syslog sockets have in common. */
import type { Batch, Origin } from "../../pipeline/batch.ts";

/** An open socket from which batches come. */
export interface Intake {
  /** As bound, for messages: `udp 127.0.0.1:514`, `unix /dev/log`. */
  readonly address: string;
  /** As bound, where there is one. */
  readonly port?: number;
  /** Resolves once it is stopped and all that came is given. Never rejects. */
  readonly done: Promise<void>;
  /** Nothing new is begun; what is on its way is still taken, for a short while. */
  stop(): void;
  /** Ends at once what `stop` lets run. */
  close(): void;
}

/** Hands a batch on; resolves when there is room for the next one, with false when nobody wants it any more. */
export type Give = (batch: Batch) => Promise<boolean>;

/** What records say of themselves where they say nothing. */
export interface RecordDefaults {
  /** Name of the source. */
  readonly id: string;
  /** Host for what comes from this machine. */
  readonly hostname: string;
  readonly program: string;
  /** Facility × 8 + severity. */
  readonly priority: number;
  /** Longer records are split. */
  readonly maxMessageBytes: number;
}

/** The origin of plain records from `host`. */
export function originOf({ id, program, priority }: RecordDefaults, host: string, peer?: string): Origin {
  return {
    source: id,
    host,
    program,
    priority,
    form: "plain",
    readAtMs: Date.now(),
    ...(peer === undefined ? {} : { peer }),
  };
}

/** How long what is on its way is waited for when a source stops. */
export const graceMs = 200;
