/**
 * Lines of auditd's plugin `af_unix` (`/etc/audit/plugins.d/af_unix.conf`, `active = yes`, `format = string`): a Unix
 * stream socket that auditd listens on and we connect to, again and again. Live: what nobody reads there is gone, and
 * while we do not read, auditd's own queue fills (`q_depth` in auditd.conf).
 */
import { LineSplitter } from "../../formats/lines.ts";
import { backoffMs, pause } from "../../pipeline/backoff.ts";
import { type Batch, batchesOfRun, type Origin } from "../../pipeline/batch.ts";
import { errorText } from "../../pipeline/errors.ts";
import { orAborted } from "../../pipeline/or_aborted.ts";
import type { BatchLimits, Source } from "../../pipeline/source.ts";
import { openLog } from "../../system/log.ts";

/** Where to connect. */
export interface AuditSocketOptions {
  readonly id: string;
  readonly host: string;
  /** Default `/var/run/audispd_events`. */
  readonly path?: string;
  /** End when auditd closes the connection, and fail when there is none. */
  readonly once: boolean;
  /** Longer lines are split; default 64 KiB. */
  readonly maxLineBytes?: number;
}

/** Opens the source; it connects when it is read. Meant to be the `inner` of the audit source. */
export function openAuditSocket(options: AuditSocketOptions): Source {
  return {
    id: options.id,
    replayable: false,
    read: (_from, limits, signal) => readSocket(options, limits, signal),
  };
}

async function* readSocket(
  options: AuditSocketOptions,
  limits: BatchLimits,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const { path = "/var/run/audispd_events", once } = options;
  let failures = 0;
  while (!signal.aborted) {
    let reason = "auditd closed the connection";
    try {
      using connection = await Deno.connect({ transport: "unix", path });
      for await (const batch of readConnection(connection, options, limits, signal)) {
        // Only what gives something works: a peer that hangs up at once is neither greeted nor hurried back to.
        if (failures > 0) log.info(`audit events come from "${path}" again, after ${failures} tries`);
        failures = 0;
        yield batch;
      }
    } catch (error) {
      reason = errorText(error);
      if (once) throw cannotRead(path, reason);
    }
    if (signal.aborted || once) return;
    if (failures++ === 0) log.warning(cannotRead(path, reason).message);
    await pause(backoffMs(connectBackoff, failures), signal);
  }
}

async function* readConnection(
  connection: Deno.Conn,
  options: AuditSocketOptions,
  limits: BatchLimits,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const splitter = new LineSplitter(options.maxLineBytes ?? 64 * 1_024);
  let failure: unknown;
  while (!signal.aborted) {
    const buffer = new Uint8Array(64 * 1_024);
    const reading = connection.read(buffer).catch((error) => (failure = error, null));
    const length = await orAborted(reading, signal) ?? null;
    if (length === null) break;
    yield* batchesOfRun(splitter.push(buffer.subarray(0, length)), limits.maxRecords, originOf(options));
  }
  yield* batchesOfRun(splitter.flush(), limits.maxRecords, originOf(options)); // torn: better half a record than none
  if (failure !== undefined && !signal.aborted) throw failure;
}

function cannotRead(path: string, reason: string): Error {
  return new Error(
    `Cannot read audit events from "${path}": ${reason}\n` +
      "Try: active = yes and format = string in /etc/audit/plugins.d/af_unix.conf, auditd running, and the rights of root",
  );
}

function originOf({ id, host }: AuditSocketOptions): Origin {
  return { source: id, host, program: "audit", priority: 110, form: "plain", readAtMs: Date.now() };
}

const connectBackoff = { firstMs: 250, maxMs: 10_000 };
const log = openLog("audit");
