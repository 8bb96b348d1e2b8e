/**
 * Puts metadata into records, each where its form has a place for it: a JSON object gets more members, RFC 5424
 * an element `[metadata@0 …]` of structured data, everything else `name=value` before its message. Names that a JSON
 * record has already stay its own.
 */
import { encodeElement } from "../formats/syslog_encode.ts";
import { jsonStart, type RecordView } from "./record.ts";
import type { RecordWriter } from "./record_writer.ts";

/** One set of metadata, written once in every form. */
export class Enrichment {
  /** `"name":"value"` pairs, separated by commas. */
  readonly #members: Uint8Array;
  readonly #element: Uint8Array;
  readonly #prefix: Uint8Array;

  /** @param metadata at least one name with its value */
  constructor(metadata: Readonly<Record<string, string>>) {
    const pairs = Object.entries(metadata);
    this.#members = encoder.encode(
      pairs.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(","),
    );
    this.#element = encoder.encode(encodeElement(elementId, metadata));
    this.#prefix = encoder.encode(pairs.map(([name, value]) => `${word(name)}=${word(value)} `).join(""));
  }

  /** Appends the record with its metadata; the caller ends it. */
  write(record: RecordView, writer: RecordWriter): void {
    const { header, bytes, start, end } = record;
    const object = jsonStart(bytes, header.messageStart, header.messageEnd);
    if (object >= 0) {
      writer.append(bytes, start, object + 1);
      writer.append(this.#members);
      if (!closesAtOnce(bytes, object + 1, end)) writer.append(comma);
      writer.append(bytes, object + 1, end);
    } else if (header.form === "rfc5424") this.#writeElement(record, writer);
    else {
      writer.append(bytes, start, header.messageStart);
      writer.append(this.#prefix);
      writer.append(bytes, header.messageStart, end);
    }
  }

  /** An element of ours that is there already (from an agent before us) stays the only one: RFC 5424 section 6.3.2. */
  #writeElement({ header, bytes, start, end }: RecordView, writer: RecordWriter): void {
    const { dataStart, dataEnd } = header;
    const has = dataEnd > dataStart;
    const torn = dataStart >= end;
    if (torn || (has && decoder.decode(bytes.subarray(dataStart, dataEnd)).includes(`[${elementId} `))) {
      writer.append(bytes, start, end);
      return;
    }
    const isNil = !has && bytes[dataStart] === 45 && (dataStart + 1 === end || bytes[dataStart + 1] === 32);
    writer.append(bytes, start, has ? dataEnd : dataStart);
    writer.append(this.#element);
    if (!has && !isNil) writer.append(space); // what stands here is the message
    writer.append(bytes, has ? dataEnd : isNil ? dataStart + 1 : dataStart, end);
  }
}

function closesAtOnce(bytes: Uint8Array, at: number, end: number): boolean {
  while (at < end && (bytes[at] === 32 || bytes[at] === 9)) at++;
  return at < end && bytes[at] === 125;
}

/** As it is where it has no space, quote or control character, else as a JSON string. */
function word(text: string): string {
  return /^[!#-~]+$/.test(text) && !text.includes("=") ? text : JSON.stringify(text);
}

const elementId = "metadata@0";
const comma = new Uint8Array([44]);
const space = new Uint8Array([32]);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
