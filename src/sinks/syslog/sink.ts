/**
 * The `syslog` sink: RFC 5424, RFC 3164 or rsyslog's forward format, over UDP (RFC 5426), TCP (RFC 6587) or TLS (RFC 5425).
 * Servers of syslog never answer: what `send` promises over TCP and TLS, and what a break can lose or double, is said in
 * `system/tcp_outlet.ts`, and for UDP in `datagram_outlet.ts`. Where every line must arrive, use RELP.
 */
import type { Batch } from "../../pipeline/batch.ts";
import type { Sink } from "../../pipeline/sink.ts";
import { LineBuffer, type RecordFraming } from "../../formats/line_buffer.ts";
import type { SyslogForm } from "../../formats/syslog_encode.ts";
import { SyslogPrefix } from "../../formats/syslog_prefix.ts";
import { openOutletSink, type Outlet } from "../../system/outlet.ts";
import { streamTargets, type StreamTargetsOptions } from "../../tls/outlet.ts";
import { DatagramOutlet } from "./datagram_outlet.ts";

/** Where to deliver, and how. */
export interface SyslogSinkOptions extends Omit<StreamTargetsOptions, "transport"> {
  /** `tls` needs `tls`; over UDP nobody tells whether a server is there, and the first one gets everything. */
  readonly transport: "udp" | "tcp" | "tls";
  readonly format: SyslogForm;
  /** For TCP and TLS; RFC 5425 asks for `octetCounted`. */
  readonly framing: RecordFraming;
  /** Longer records are cut, for UDP; at most 65,507. */
  readonly maxDatagramBytes?: number;
  /** Told of records that were cut, in how many a batch. */
  readonly onTruncated?: (records: number) => void;
}

/** Opens the sink; it connects at the first batch. The caller disposes it. */
export function openSyslogSink(options: SyslogSinkOptions): Sink {
  const { id, transport } = options;
  const prefix = new SyslogPrefix(options.format);
  if (transport === "udp") {
    return openOutletSink({
      id,
      batchRecords: 256,
      open: (signal) => DatagramOutlet.open(options, signal),
      write: (batch, outlet) => writeDatagrams(batch, prefix, outlet, options),
    });
  }
  const buffer = new LineBuffer(bufferBytes);
  return openOutletSink({
    id,
    batchRecords: 1_024,
    ...streamTargets({ ...options, transport }),
    write: (batch, outlet) => writeStream(batch, prefix, buffer, options.framing, outlet),
  });
}

async function writeStream(
  batch: Batch,
  prefix: SyslogPrefix,
  buffer: LineBuffer,
  framing: RecordFraming,
  outlet: Outlet,
): Promise<void> {
  buffer.clear();
  for (let i = 0; i < batch.count; i++) {
    prefix.find(batch, i);
    while (!buffer.append(framing, prefix.bytes, batch.bytes, prefix.start, prefix.end, !batch.packed)) {
      await outlet.write(buffer.written, buffer.records);
      buffer.clear();
    }
  }
  if (buffer.records > 0) await outlet.write(buffer.written, buffer.records);
}

async function writeDatagrams(
  batch: Batch,
  prefix: SyslogPrefix,
  outlet: Outlet,
  { maxDatagramBytes = defaultDatagramBytes, onTruncated }: SyslogSinkOptions,
): Promise<void> {
  let truncated = 0;
  for (let i = 0; i < batch.count; i++) {
    prefix.find(batch, i);
    const length = prefix.bytes.length + prefix.end - prefix.start;
    const datagram = new Uint8Array(length);
    datagram.set(prefix.bytes);
    datagram.set(batch.bytes.subarray(prefix.start, prefix.end), prefix.bytes.length);
    if (length > maxDatagramBytes) truncated++;
    await outlet.write(length > maxDatagramBytes ? cutText(datagram, maxDatagramBytes) : datagram, 1);
  }
  if (truncated > 0) onTruncated?.(truncated);
}

/** The first `sizeBytes` bytes, or up to 3 fewer so as not to tear a character of UTF-8. */
function cutText(bytes: Uint8Array, sizeBytes: number): Uint8Array {
  let end = sizeBytes;
  while (end > sizeBytes - 3 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

/** RFC 5426 section 3.2 asks receivers to take 2,048; rsyslog and syslog-ng take 8 KiB. */
const defaultDatagramBytes = 8_192;
/** A batch of 128 KiB with its headers, in one write. */
const bufferBytes = 192 * 1024;
