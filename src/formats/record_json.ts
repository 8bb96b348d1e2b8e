/** A record as one JSON object on a line, as exports and dead letters have it. Pure. */
import type { Batch } from "../pipeline/batch.ts";

/**
 * The members of record `index`: what its origin says, and its bytes as `message`, or as `messageBase64` when they are
 * not UTF-8. Nothing is lost: {@linkcode parseRecordBytes} gives the same bytes back.
 */
export function recordMembers(batch: Batch, index: number): Readonly<Record<string, unknown>> {
  const { source, host, program, priority, form, readAtMs, peer } = batch.origin;
  const readAt = Number.isFinite(readAtMs) && Math.abs(readAtMs) <= maxDateMs ? new Date(readAtMs).toISOString() : null;
  const bytes = batch.bytes.subarray(batch.bounds[2 * index], batch.bounds[2 * index + 1]);
  return { source, host, program, priority, form, readAt, peer, ...messageMember(bytes) };
}

/** The bytes of a record out of its members; undefined when they hold none. */
export function parseRecordBytes(members: Readonly<Record<string, unknown>>): Uint8Array | undefined {
  const { message, messageBase64 } = members;
  if (typeof message === "string") return encoder.encode(message);
  if (typeof messageBase64 !== "string") return undefined;
  try {
    return Uint8Array.fromBase64(messageBase64);
  } catch {
    return undefined;
  }
}

function messageMember(record: Uint8Array): { readonly message: string } | { readonly messageBase64: string } {
  try {
    return { message: decoder.decode(record) };
  } catch {
    return { messageBase64: record.toBase64() };
  }
}

const maxDateMs = 8.64e15;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
