/** A record as one line, and a host as one folder name: neither may break out of its place. Pure. */
import { escapedLine } from "../../formats/line_buffer.ts";
import type { Batch } from "../../pipeline/batch.ts";

/** The bytes of a record with its LF; LFs inside become `#012`, as rsyslog writes them. */
export function escapedRecord(batch: Batch, index: number): Uint8Array {
  return escapedLine(batch.bytes.subarray(batch.bounds[2 * index], batch.bounds[2 * index + 1]));
}

/** A host name as the name of a folder: nothing but letters, digits, `.`, `_`, `-` and `:`, never hidden, never upwards. */
export function folderName(host: string): string {
  const safe = host.replaceAll(/[^A-Za-z0-9._:-]/g, "_").replace(/^\.+/, "_").slice(0, 128);
  return safe === "" ? "unknown" : safe;
}
