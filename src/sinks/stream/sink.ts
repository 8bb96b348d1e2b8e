/**
 * The `stream` sink: plain lines over TCP or TLS, as `s6-tlsclient … cat` sends them to `socat openssl-listen … open:FILE`.
 * The peer never answers: what `send` promises, and what a break can lose or double, is said in `system/tcp_outlet.ts`.
 * Each record is one line; an LF inside becomes `#012`.
 */
import { type Batch, packedBytes } from "../../pipeline/batch.ts";
import type { Sink } from "../../pipeline/sink.ts";
import { LineBuffer } from "../../formats/line_buffer.ts";
import { SyslogPrefix } from "../../formats/syslog_prefix.ts";
import { openOutletSink, type Outlet } from "../../system/outlet.ts";
import { streamTargets, type StreamTargetsOptions } from "../../tls/outlet.ts";

/** Where to deliver, and how. */
export interface StreamSinkOptions extends StreamTargetsOptions {
  /** Plain records get the header of rsyslog's forward format; without it the line goes alone. */
  readonly withHeader: boolean;
}

/** Opens the sink; it connects at the first batch. The caller disposes it. */
export function openStreamSink(options: StreamSinkOptions): Sink {
  const buffer = new LineBuffer(128 * 1024);
  const prefix = new SyslogPrefix("forward");
  return openOutletSink({
    id: options.id,
    batchRecords: 1_024,
    ...streamTargets(options),
    write: (batch, outlet) => write(batch, outlet, buffer, options.withHeader ? prefix : undefined),
  });
}

async function write(batch: Batch, outlet: Outlet, buffer: LineBuffer, prefix?: SyslogPrefix): Promise<void> {
  // Lines that lie back to back go out from where they are; the batch stays ours until it is settled.
  if (batch.packed && prefix === undefined) return await outlet.write(packedBytes(batch), batch.count);
  buffer.clear();
  for (let i = 0; i < batch.count; i++) {
    prefix?.find(batch, i);
    const start = prefix?.start ?? batch.bounds[2 * i]!;
    const end = prefix?.end ?? batch.bounds[2 * i + 1]!;
    while (!buffer.append("newline", prefix?.bytes ?? noHeader, batch.bytes, start, end, !batch.packed)) {
      await outlet.write(buffer.written, buffer.records);
      buffer.clear();
    }
  }
  if (buffer.records > 0) await outlet.write(buffer.written, buffer.records);
}

const noHeader = new Uint8Array(0);
