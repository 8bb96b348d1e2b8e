/** Records as JSON objects with the names of fields that a store wants. Pure. */
import type { Batch } from "../pipeline/batch.ts";
import type { ByteWriter } from "./byte_writer.ts";
import { RecordFields, severityWords } from "./record_fields.ts";

/** Names of the fields; what has none is left out. */
export interface DocumentNames {
  readonly time: string;
  readonly message: string;
  readonly source?: string;
  readonly host?: string;
  readonly program?: string;
  readonly procid?: string;
  readonly msgid?: string;
  /** Structured data as text. */
  readonly data?: string;
  /** A word, such as `warning`. */
  readonly severity?: string;
  /** A number, 0..7. */
  readonly severityCode?: string;
  /** A number, 0..23. */
  readonly facilityCode?: string;
  /** Name that the peer proved. */
  readonly peer?: string;
  /** Goes before the names of metadata. */
  readonly metadataPrefix?: string;
}

/** Writes one document after the other. What all records of a batch share is written once and copied. */
export class DocumentEncoder {
  readonly #names: DocumentNames;
  readonly #fields = new RecordFields();
  readonly #timeKey: string;
  readonly #messageKey: Uint8Array;
  /** Complete members, with a comma before each. */
  readonly #constant: string;
  #shared: { readonly batch: Batch; readonly bytes: Uint8Array } | undefined;

  /** @param metadata goes into every document */
  constructor(names: DocumentNames, metadata: Readonly<Record<string, string>> = {}) {
    this.#names = names;
    this.#timeKey = `{${JSON.stringify(names.time)}:"`;
    this.#messageKey = encoder.encode(`,${JSON.stringify(names.message)}:`);
    const prefix = names.metadataPrefix ?? "";
    this.#constant = Object.entries(metadata).map(([name, value]) => member(prefix + name, value)).join("");
  }

  /** Appends record `index` of `batch` as one object, without a line feed. */
  write(batch: Batch, index: number, out: ByteWriter): void {
    const fields = this.#fields;
    fields.open(batch, index);
    out.text(this.#timeKey);
    out.text(fields.timeText());
    out.byte(quote);
    if (fields.ofOrigin) out.append(this.#sharedBytes(batch));
    else out.text(this.#members(batch));
    out.append(this.#messageKey);
    out.jsonString(batch.bytes, fields.messageStart, fields.messageEnd);
    out.byte(closingBrace);
  }

  #sharedBytes(batch: Batch): Uint8Array {
    if (this.#shared?.batch !== batch) this.#shared = { batch, bytes: encoder.encode(this.#members(batch)) };
    return this.#shared.bytes;
  }

  #members(batch: Batch): string {
    const names = this.#names;
    const { host, program, procid, msgid, data, priority } = this.#fields;
    const { source, peer } = batch.origin;
    return [
      text(names.source, source),
      text(names.host, host),
      text(names.program, program),
      text(names.procid, procid),
      text(names.msgid, msgid),
      text(names.data, data),
      text(names.severity, severityWords[priority & 7]!),
      number(names.severityCode, priority & 7),
      number(names.facilityCode, priority >> 3),
      text(names.peer, peer ?? ""),
      this.#constant,
    ].join("");
  }
}

function text(name: string | undefined, value: string): string {
  return name === undefined || value === "" ? "" : member(name, value);
}

function number(name: string | undefined, value: number): string {
  return name === undefined ? "" : `,${JSON.stringify(name)}:${value}`;
}

function member(name: string, value: string): string {
  return `,${JSON.stringify(name)}:${JSON.stringify(value.toWellFormed())}`;
}

const quote = 34;
const closingBrace = 125;
const encoder = new TextEncoder();
