/**
 * Requests to Loki's push interface (`POST /loki/api/v1/push`), in JSON: records with the same labels are one stream.
 * Labels are an index, so they are few and of few values; everything else travels beside the line. Pure.
 */
import type { Batch } from "../pipeline/batch.ts";
import { ByteWriter } from "./byte_writer.ts";
import { RecordFields, severityWords } from "./record_fields.ts";

/** Fields that can be labels. */
const lokiLabels = ["source", "host", "program", "severity", "facility"] as const;

/** How records become streams. */
export interface LokiOptions {
  readonly labels: readonly (typeof lokiLabels)[number][];
  /** Labels of every stream. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Whether what is no label travels as structured metadata (Loki 2.9 and later); otherwise it is left out. */
  readonly structuredMetadata: boolean;
}

/** Gathers records into one request. */
export class LokiEncoder {
  readonly #options: LokiOptions;
  readonly #constant: Readonly<Record<string, string>>;
  readonly #fields = new RecordFields();
  readonly #streams = new Map<string, ByteWriter>();
  readonly #out = new ByteWriter(64 * 1024);
  #length = 0;

  constructor(options: LokiOptions) {
    this.#options = options;
    this.#constant = Object.fromEntries(
      Object.entries(options.metadata).map(([name, value]) => [labelName(name), value]),
    );
  }

  /** Size of the request so far. */
  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#streams.clear();
    this.#length = 0;
  }

  /** Adds record `index` of `batch`. */
  add(batch: Batch, index: number): void {
    const fields = this.#fields;
    fields.open(batch, index);
    const values = this.#stream(batch);
    const before = values.length;
    values.text(`${values.length > 0 ? "," : ""}["${fields.timeNanos()}",`);
    values.jsonString(batch.bytes, fields.messageStart, fields.messageEnd);
    const beside = this.#options.structuredMetadata ? this.#beside(batch) : {};
    values.text(Object.keys(beside).length === 0 ? "]" : `,${JSON.stringify(beside)}]`);
    this.#length += values.length - before;
  }

  /** The request; valid until the next call of any other method. */
  finish(): Uint8Array {
    const out = this.#out;
    out.clear();
    let separator = `{"streams":[`;
    for (const [labels, values] of this.#streams) {
      out.text(`${separator}{"stream":${labels},"values":[`);
      out.append(values.written);
      out.text("]}");
      separator = ",";
    }
    out.text("]}");
    return out.written;
  }

  #stream(batch: Batch): ByteWriter {
    const labels: Record<string, string> = { ...this.#constant };
    for (const name of this.#options.labels) {
      const value = this.#value(name, batch);
      if (value !== "") labels[name] = value.toWellFormed();
    }
    // Loki refuses a stream without labels.
    if (Object.keys(labels).length === 0) labels.source = batch.origin.source;
    const key = JSON.stringify(labels);
    const known = this.#streams.get(key);
    if (known !== undefined) return known;
    const values = new ByteWriter(4 * 1024);
    this.#streams.set(key, values);
    this.#length += key.length + 32;
    return values;
  }

  #beside(batch: Batch): Record<string, string> {
    const { labels } = this.#options;
    const beside: Record<string, string> = {};
    for (const name of lokiLabels) {
      const value = labels.includes(name) ? "" : this.#value(name, batch);
      if (value !== "") beside[name] = value.toWellFormed();
    }
    const { procid, msgid, data } = this.#fields;
    for (const [name, value] of Object.entries({ procid, msgid, data, peer: batch.origin.peer ?? "" })) {
      if (value !== "") beside[name] = value.toWellFormed();
    }
    return beside;
  }

  #value(name: (typeof lokiLabels)[number], { origin }: Batch): string {
    const { host, program, priority } = this.#fields;
    switch (name) {
      case "source":
        return origin.source;
      case "host":
        return host;
      case "program":
        return program;
      case "severity":
        return severityWords[priority & 7]!;
      case "facility":
        return String(priority >> 3);
    }
  }
}

/** A name that Prometheus, and so Loki, allows for a label. */
function labelName(name: string): string {
  const safe = name.replaceAll(/[^A-Za-z0-9_]/g, "_");
  return /^[A-Za-z_]/.test(safe) ? safe : `_${safe}`;
}
