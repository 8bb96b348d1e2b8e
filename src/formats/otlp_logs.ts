/**
 * Logs in OpenTelemetry's protocol (opentelemetry-proto, `collector/logs/v1/logs_service.proto`), in its two encodings.
 * Records of one host, program and source stand below one resource. Pure.
 *
 * ```text
 *   ExportLogsServiceRequest  1 ResourceLogs ─┬ 1 Resource    1 KeyValue (host.name, service.name, …)
 *                                             └ 2 ScopeLogs ─┬ 1 InstrumentationScope
 *                                                            └ 2 LogRecord, one after the other
 * ```
 */
import type { Batch } from "../pipeline/batch.ts";
import { ByteWriter, isUtf8 } from "./byte_writer.ts";
import { RecordFields, severityWords } from "./record_fields.ts";

/** Who exports. */
export interface OtlpOptions {
  readonly encoding: "json" | "protobuf";
  readonly version: string;
  /** Attributes of every resource. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Gathers records into one request. */
export class OtlpEncoder {
  readonly #options: OtlpOptions;
  readonly #fields = new RecordFields();
  readonly #groups = new Map<string, { readonly resource: readonly Attribute[]; readonly records: ByteWriter }>();
  readonly #out = new ByteWriter(64 * 1024);
  readonly #record = new ByteWriter();
  readonly #attributes = new ByteWriter();
  #length = 0;

  constructor(options: OtlpOptions) {
    this.#options = options;
  }

  /** Size of the request so far, without its frame. */
  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#groups.clear();
    this.#length = 0;
  }

  /** Adds record `index` of `batch`. */
  add(batch: Batch, index: number): void {
    this.#fields.open(batch, index);
    const { records } = this.#group(batch);
    const before = records.length;
    if (this.#options.encoding === "json") this.#addJson(batch, records);
    else this.#addProtobuf(batch, records);
    this.#length += records.length - before;
  }

  /** The request; valid until the next call of any other method. */
  finish(): Uint8Array {
    this.#out.clear();
    if (this.#options.encoding === "json") this.#finishJson();
    else this.#finishProtobuf();
    return this.#out.written;
  }

  #group({ origin }: Batch): { readonly records: ByteWriter } {
    const { host, program } = this.#fields;
    const key = `${host}\0${program}\0${origin.source}`;
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const attributes: readonly Attribute[] = [
      ["host.name", host],
      ["service.name", program],
      ["log.source", origin.source],
      ...Object.entries(this.#options.metadata),
    ];
    const resource = attributes.filter(([, value]) => value !== "");
    const group = { resource, records: new ByteWriter(4 * 1024) };
    this.#groups.set(key, group);
    this.#length += 200;
    return group;
  }

  #recordAttributes(batch: Batch): readonly Attribute[] {
    const { procid, msgid, data, priority } = this.#fields;
    const texts: readonly Attribute[] = [
      ["syslog.procid", procid],
      ["syslog.msgid", msgid],
      ["syslog.structured_data", data],
      ["log.peer", batch.origin.peer ?? ""],
    ];
    return [["syslog.facility", priority >> 3], ...texts.filter(([, value]) => value !== "")];
  }

  #addJson(batch: Batch, out: ByteWriter): void {
    const { priority, messageStart, messageEnd } = this.#fields;
    const severity = `"severityNumber":${severityNumbers[priority & 7]},"severityText":"${
      severityWords[priority & 7]
    }"`;
    out.text(`${out.length > 0 ? "," : ""}{"timeUnixNano":"${this.#fields.timeNanos()}",`);
    out.text(`"observedTimeUnixNano":"${observedNanos(batch)}",${severity},"body":{`);
    if (isUtf8(batch.bytes, messageStart, messageEnd)) {
      out.text(`"stringValue":`);
      out.jsonString(batch.bytes, messageStart, messageEnd);
    } else out.text(`"bytesValue":"${batch.bytes.subarray(messageStart, messageEnd).toBase64()}"`);
    out.text(`},"attributes":${jsonAttributes(this.#recordAttributes(batch))}}`);
  }

  #finishJson(): void {
    const out = this.#out;
    const scope = `{"name":"agent","version":${JSON.stringify(this.#options.version)}}`;
    let separator = `{"resourceLogs":[`;
    for (const { resource, records } of this.#groups.values()) {
      out.text(`${separator}{"resource":{"attributes":${jsonAttributes(resource)}},`);
      out.text(`"scopeLogs":[{"scope":${scope},"logRecords":[`);
      out.append(records.written);
      out.text("]}]}");
      separator = ",";
    }
    out.text("]}");
  }

  #addProtobuf(batch: Batch, out: ByteWriter): void {
    const { priority, messageStart, messageEnd } = this.#fields;
    const record = this.#record;
    record.clear();
    record.byte(tag(1, fixed64));
    record.fixed64(BigInt(this.#fields.timeNanos()));
    record.byte(tag(2, varint));
    record.varint(severityNumbers[priority & 7]!);
    textField(record, 3, severityWords[priority & 7]!);
    // string_value is UTF-8 by definition; what is not is kept as it is in bytes_value.
    const bodyField = isUtf8(batch.bytes, messageStart, messageEnd) ? 1 : 7;
    const bodyBytes = messageEnd - messageStart;
    record.byte(tag(5, lengthDelimited));
    record.varint(1 + varintBytes(bodyBytes) + bodyBytes);
    record.byte(tag(bodyField, lengthDelimited));
    record.varint(bodyBytes);
    record.append(batch.bytes, messageStart, messageEnd);
    for (const attribute of this.#recordAttributes(batch)) this.#attribute(record, 6, attribute);
    record.byte(tag(11, fixed64));
    record.fixed64(BigInt(observedNanos(batch)));
    bytesField(out, 2, record.written);
  }

  #finishProtobuf(): void {
    const scope = new ByteWriter();
    textField(scope, 1, "agent");
    textField(scope, 2, this.#options.version);
    for (const { resource, records } of this.#groups.values()) {
      const attributes = new ByteWriter();
      for (const attribute of resource) this.#attribute(attributes, 1, attribute);
      const scopeLogsBytes = fieldBytes(scope.length) + records.length;
      this.#out.byte(tag(1, lengthDelimited));
      this.#out.varint(fieldBytes(attributes.length) + fieldBytes(scopeLogsBytes));
      bytesField(this.#out, 1, attributes.written);
      this.#out.byte(tag(2, lengthDelimited));
      this.#out.varint(scopeLogsBytes);
      bytesField(this.#out, 1, scope.written);
      this.#out.append(records.written);
    }
  }

  /** A KeyValue: 1 key, 2 AnyValue (1 string_value, 3 int_value). */
  #attribute(out: ByteWriter, field: number, [key, value]: Attribute): void {
    const pair = this.#attributes;
    pair.clear();
    textField(pair, 1, key);
    const any = new ByteWriter(64);
    if (typeof value === "string") textField(any, 1, value);
    else {
      any.byte(tag(3, varint));
      any.varint(value);
    }
    bytesField(pair, 2, any.written);
    bytesField(out, field, pair.written);
  }
}

/** Records that the peer did not take although it took the request, and its words. */
export interface PartialSuccess {
  readonly rejected: number;
  readonly message: string;
}

/** The `partial_success` of an answer, in JSON; nothing rejected where there is none. @throws when it is no such answer */
export function parseJsonAnswer(text: string): PartialSuccess {
  if (text.trim() === "") return all;
  const answer = JSON.parse(text) as { readonly partialSuccess?: Readonly<Record<string, unknown>> } | null;
  const partial = answer?.partialSuccess;
  if (typeof partial !== "object" || partial === null) return all;
  const rejected = Number(partial.rejectedLogRecords ?? 0);
  if (!(Number.isSafeInteger(rejected) && rejected >= 0)) throw new Error("rejectedLogRecords is no number");
  return { rejected, message: typeof partial.errorMessage === "string" ? partial.errorMessage.slice(0, 500) : "" };
}

/** The same out of protocol buffers: 1 partial_success with 1 rejected_log_records, 2 error_message. @throws */
export function decodeProtobufAnswer(bytes: Uint8Array): PartialSuccess {
  let rejected = 0;
  let message = "";
  for (const [field, value] of fieldsOf(bytes)) {
    if (field !== 1 || typeof value === "number") continue;
    for (const [inner, part] of fieldsOf(value)) {
      if (inner === 1 && typeof part === "number") rejected = part;
      if (inner === 2 && typeof part !== "number") message = decoder.decode(part).slice(0, 500);
    }
  }
  return { rejected, message };
}

/** Fields of a message, in order: numbers of varints, bytes of all others. @throws when it is torn */
export function* fieldsOf(bytes: Uint8Array): Generator<readonly [field: number, value: number | Uint8Array]> {
  const cursor = { at: 0 };
  const take = (size: number): Uint8Array => {
    if (!(cursor.at + size <= bytes.length)) throw new Error("the message is torn");
    cursor.at += size;
    return bytes.subarray(cursor.at - size, cursor.at);
  };
  while (cursor.at < bytes.length) {
    const key = readVarint(bytes, cursor);
    const kind = key % 8;
    const field = Math.floor(key / 8);
    if (kind === varint) yield [field, readVarint(bytes, cursor)];
    else if (kind === fixed64) yield [field, take(8)];
    else if (kind === lengthDelimited) yield [field, take(readVarint(bytes, cursor))];
    else if (kind === fixed32) yield [field, take(4)];
    else throw new Error("the message has a field of unknown kind");
  }
}

type Attribute = readonly [key: string, value: string | number];

/** @see "Mapping of SeverityNumber", appendix B of OpenTelemetry's data model of logs: syslog */
const severityNumbers: readonly number[] = [21, 19, 18, 17, 13, 10, 9, 5];

function jsonAttributes(attributes: readonly Attribute[]): string {
  return JSON.stringify(attributes.map(([key, value]) => ({
    key,
    value: typeof value === "string" ? { stringValue: value.toWellFormed() } : { intValue: String(value) },
  })));
}

function observedNanos({ origin }: Batch): string {
  const { readAtMs } = origin;
  return readAtMs > 0 && readAtMs < 253_402_300_800_000 ? `${Math.floor(readAtMs)}000000` : "0";
}

function readVarint(bytes: Uint8Array, cursor: { at: number }): number {
  let value = 0;
  for (let factor = 1;; factor *= 0x80) {
    const byte = bytes[cursor.at++];
    if (byte === undefined) throw new Error("the message is torn");
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
    if (factor > 2 ** 63) throw new Error("a number of the message is too long");
  }
}

function tag(field: number, kind: number): number {
  return field * 8 + kind;
}

function textField(out: ByteWriter, field: number, text: string): void {
  bytesField(out, field, encoder.encode(text));
}

function bytesField(out: ByteWriter, field: number, bytes: Uint8Array): void {
  out.byte(tag(field, lengthDelimited));
  out.varint(bytes.length);
  out.append(bytes);
}

/** Size of a length-delimited field with a one-byte tag. */
function fieldBytes(length: number): number {
  return 1 + varintBytes(length) + length;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

const varint = 0;
const fixed64 = 1;
const lengthDelimited = 2;
const fixed32 = 5;
const all: PartialSuccess = { rejected: 0, message: "" };
const encoder = new TextEncoder();
const decoder = new TextDecoder();
