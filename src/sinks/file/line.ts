/** A record as one line, and a host as one folder name: neither may break out of its place. Pure. */
import type { Batch } from "../../pipeline/batch.ts";

/** The bytes of a record with its LF; LFs inside become `#012`, as rsyslog writes them. */
export function escapedRecord(batch: Batch, index: number): Uint8Array {
  const record = batch.bytes.subarray(batch.bounds[2 * index], batch.bounds[2 * index + 1]);
  let feeds = 0;
  for (let at = record.indexOf(10); at >= 0; at = record.indexOf(10, at + 1)) feeds++;
  const line = new Uint8Array(record.length + 3 * feeds + 1);
  let to = 0;
  for (const byte of record) {
    if (byte === 10) {
      line.set(escapedFeed, to);
      to += escapedFeed.length;
    } else line[to++] = byte;
  }
  line[to] = 10;
  return line;
}

/** A host name as the name of a folder: nothing but letters, digits, `.`, `_`, `-` and `:`, never hidden, never upwards. */
export function folderName(host: string): string {
  const safe = host.replaceAll(/[^A-Za-z0-9._:-]/g, "_").replace(/^\.+/, "_").slice(0, 128);
  return safe === "" ? "unknown" : safe;
}

const escapedFeed = new TextEncoder().encode("#012");
