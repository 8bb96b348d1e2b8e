/** One audit event as one syslog record. Pure. */
import { decodeAuditFields } from "../../formats/audit.ts";
import { encodeSyslogHeader } from "../../formats/syslog_encode.ts";
import type { AuditEvent, AuditRecord } from "./joiner.ts";

/** What records say of themselves. */
export interface AuditRecordStyle {
  /** Host of events without `node=`. */
  readonly host: string;
  readonly program: string;
  /** Facility × 8 + severity, 0..191. */
  readonly priority: number;
  /** Hexadecimal text is made readable, and what all records of an event repeat is said once. */
  readonly decode: boolean;
}

/**
 * The event's record: its time and host in a header of syslog, then
 *
 * ```text
 *   audit(1364481363.243:24287): type=SYSCALL msg=audit(1364481363.243:24287): arch=… type=CWD msg=audit(…): cwd=…
 *   audit(1364481363.243:24287): type=SYSCALL arch=… type=CWD cwd=…                                    with `decode`
 * ```
 *
 * The first is every record as auditd wrote it, with a space for 0x1D. A line that is no audit record is the message.
 */
export function encodeAuditEvent(event: AuditEvent, style: AuditRecordStyle, readAtMs: number): Uint8Array {
  const { head, records } = event;
  const { priority, program } = style;
  const header = encodeSyslogHeader("forward", {
    priority,
    timeMs: head?.timeMs ?? readAtMs,
    host: head === undefined || head.node === "" ? style.host : head.node,
    program,
  });
  const pieces = [header];
  if (head !== undefined) pieces.push(encoder.encode(`audit(${head.stamp}):`));
  records.forEach((record, i) => {
    if (i > 0 || head !== undefined) pieces.push(space);
    pieces.push(style.decode && head !== undefined ? decoded(record) : record.bytes);
  });
  return oneLine(pieces);
}

function decoded({ type, bytes, fieldsStart }: AuditRecord): Uint8Array {
  return encoder.encode(`type=${type} ${decodeAuditFields(type, decoder.decode(bytes.subarray(fieldsStart)))}`);
}

/** All pieces one after the other, with spaces for what would break the line and for 0x1D. */
function oneLine(pieces: readonly Uint8Array[]): Uint8Array {
  const line = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    line.set(piece, at);
    at += piece.length;
  }
  for (const separator of [0x1d, 0x0a]) {
    for (let i = line.indexOf(separator); i >= 0; i = line.indexOf(separator, i + 1)) line[i] = 0x20;
  }
  return line;
}

const space = new Uint8Array([0x20]);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
