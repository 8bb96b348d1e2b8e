/**
 * The header that goes before a plain record on its way to a syslog server: rsyslog's RSYSLOG_ForwardFormat.
 *
 * ```text
 *   <PRI>2026-11-20T20:30:00.123000+00:00 router1 kubelet: message
 * ```
 */
import type { Origin } from "../pipeline/batch.ts";

/** A header in two forms: the message of a record brings its own leading space, or does not. */
export interface PayloadHeader {
  readonly beforeText: Uint8Array;
  readonly beforeSpace: Uint8Array;
}

/** The header of a batch; empty for records that have their own. Tags are cut at 32 characters, as rsyslog does. */
export function forwardHeader(origin: Origin): PayloadHeader {
  if (origin.form === "syslog") return noHeader;
  const time = new Date(origin.readAtMs).toISOString().replace("Z", "000+00:00");
  const tag = `${printable(origin.program)}:`.slice(0, 32);
  const beforeText = encoder.encode(`<${origin.priority}>${time} ${printable(origin.host)} ${tag} `);
  return { beforeText, beforeSpace: beforeText.subarray(0, -1) };
}

/** A name without what would end a header field: a file may be called anything. */
function printable(name: string): string {
  return name === "" ? "-" : name.replaceAll(/[^!-~]/g, "_");
}

const encoder = new TextEncoder();
const empty = new Uint8Array(0);
const noHeader: PayloadHeader = { beforeText: empty, beforeSpace: empty };
