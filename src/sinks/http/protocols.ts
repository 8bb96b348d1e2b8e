/** The receivers that are known: how each wants records, and what its answers mean. */
import { parseBulkAnswer } from "../../formats/bulk.ts";
import { ByteWriter } from "../../formats/byte_writer.ts";
import type { HttpAnswer } from "../../formats/http_message.ts";
import { DocumentEncoder, type DocumentNames } from "../../formats/json_document.ts";
import { LokiEncoder, type LokiOptions } from "../../formats/loki_push.ts";
import { decodeProtobufAnswer, OtlpEncoder, type OtlpOptions, parseJsonAnswer } from "../../formats/otlp_logs.ts";
import { RecordFields } from "../../formats/record_fields.ts";
import { RecordIds } from "../../formats/record_id.ts";
import type { Batch } from "../../pipeline/batch.ts";
import { type HttpProtocol, isUsuallyRetryable, judgeStatus, type RequestBody, type Verdict } from "./protocol.ts";

/** What all receivers have. */
export interface ProtocolOptions {
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Goes with every record. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** `_bulk` of Elasticsearch, OpenSearch, ZincSearch and VictoriaLogs, with `create` alone, as data streams demand. */
export function bulkProtocol(
  options: ProtocolOptions & { readonly index: string; readonly ids: boolean },
): HttpProtocol {
  const documents = new DocumentEncoder(ecsNames, options.metadata);
  const ids = new RecordIds();
  const action = `{"create":{"_index":${JSON.stringify(options.index)}`;
  const body = linesOf((batch, index, out) => {
    out.text(options.ids ? `${action},"_id":"${ids.idOf(batch, index)}"}}\n` : `${action}}}\n`);
    documents.write(batch, index, out);
    out.byte(lineFeed);
  });
  return {
    method: "POST",
    path: withQuery(options.path, {
      "filter_path": "errors,error,items.*.status,items.*.error.type,items.*.error.reason",
    }),
    headers: { "Content-Type": "application/x-ndjson", ...options.headers },
    body,
    judge: judgeBulk,
  };
}

/** Loki's push interface. It takes what is good in a request with something bad, and what is sent twice once. */
export function lokiProtocol(
  options: ProtocolOptions & Omit<LokiOptions, "metadata"> & { readonly tenant?: string | undefined },
): HttpProtocol {
  return {
    method: "POST",
    path: options.path,
    headers: {
      "Content-Type": "application/json",
      ...(options.tenant === undefined ? {} : { "X-Scope-OrgID": options.tenant }),
      ...options.headers,
    },
    body: new LokiEncoder(options),
    judge: (answer) =>
      answer.status === ingestionBlocked
        ? { kind: "again", reason: "260: ingestion is blocked there" }
        : judgeStatus(answer, { isRetryable: isUsuallyRetryable, searches: true }),
  };
}

/** OTLP over HTTP. Only 429, 502, 503 and 504 may be sent again, and never what a partial success left out. */
export function otlpProtocol(options: ProtocolOptions & OtlpOptions): HttpProtocol {
  const isJson = options.encoding === "json";
  const type = isJson ? "application/json" : "application/x-protobuf";
  return {
    method: "POST",
    path: options.path,
    headers: { "Content-Type": type, ...options.headers },
    body: new OtlpEncoder(options),
    judge: (answer, count) => judgeOtlp(answer, count, isJson),
  };
}

/** VictoriaLogs' JSON lines. */
export function victoriaLogsProtocol(
  options: ProtocolOptions & { readonly streamFields: readonly string[] },
): HttpProtocol {
  const query = { "_stream_fields": options.streamFields.join(","), "_msg_field": "_msg", "_time_field": "_time" };
  return {
    method: "POST",
    path: withQuery(options.path, query),
    headers: { "Content-Type": "application/stream+json", ...options.headers },
    body: documentLines(new DocumentEncoder({ ...plainNames, time: "_time", message: "_msg" }, options.metadata)),
    judge: (answer) => judgeStatus(answer, { isRetryable: isUsuallyRetryable }),
  };
}

/** Any web service. */
export function plainProtocol(
  options: ProtocolOptions & { readonly method: "POST" | "PUT"; readonly format: "ndjson" | "json" | "text" },
): HttpProtocol {
  const documents = new DocumentEncoder(plainNames, options.metadata);
  const bodies = { ndjson: () => documentLines(documents), json: () => documentArray(documents), text: messageLines };
  const types = { ndjson: "application/x-ndjson", json: "application/json", text: "text/plain; charset=utf-8" };
  return {
    method: options.method,
    path: options.path,
    headers: { "Content-Type": types[options.format], ...options.headers },
    body: bodies[options.format](),
    judge: (answer) => judgeStatus(answer, { isRetryable: isUsuallyRetryable }),
  };
}

function judgeBulk(answer: HttpAnswer, count: number): Verdict {
  const whole = judgeStatus(answer, { isRetryable: (status) => isUsuallyRetryable(status) || status === 505 });
  if (whole.kind !== "held") return whole;
  const outcomes = parseBulkAnswer(decoder.decode(answer.body), count);
  return outcomes === undefined ? whole : { kind: "mixed", outcomes };
}

/**
 * @see OTLP 1.x, "OTLP/HTTP response". A partial success says how many records were left out and not which, and forbids to
 * send them again: all of the request then count as refused, so that what was left out is certainly kept aside.
 */
function judgeOtlp(answer: HttpAnswer, count: number, isJson: boolean): Verdict {
  const whole = judgeStatus(answer, { isRetryable: (status) => otlpRetryable.has(status) });
  if (whole.kind !== "held") return whole;
  const { rejected, message } = isJson
    ? parseJsonAnswer(decoder.decode(answer.body))
    : decodeProtobufAnswer(answer.body);
  if (rejected === 0) return whole;
  const which = rejected < count ? ", and it does not say which" : "";
  return { kind: "refused", reason: `${rejected} of ${count} records were rejected${which}: ${message}` };
}

/** A body of pieces that stand one behind the other. */
function linesOf(write: (batch: Batch, index: number, out: ByteWriter) => void): RequestBody {
  const out = new ByteWriter(64 * 1024);
  return {
    get length(): number {
      return out.length;
    },
    clear: () => out.clear(),
    add: (batch, index) => write(batch, index, out),
    finish: () => out.written,
  };
}

function documentLines(documents: DocumentEncoder): RequestBody {
  return linesOf((batch, index, out) => {
    documents.write(batch, index, out);
    out.byte(lineFeed);
  });
}

function documentArray(documents: DocumentEncoder): RequestBody {
  const out = new ByteWriter(64 * 1024);
  return {
    get length(): number {
      return out.length;
    },
    clear: () => out.clear(),
    add: (batch, index) => {
      out.byte(out.length === 0 ? openingBracket : comma);
      documents.write(batch, index, out);
    },
    finish: () => {
      if (out.length === 0) out.byte(openingBracket);
      out.byte(closingBracket);
      return out.written;
    },
  };
}

/** Messages alone; a line feed within one becomes a space. */
function messageLines(): RequestBody {
  const fields = new RecordFields();
  return linesOf((batch, index, out) => {
    fields.open(batch, index);
    const { messageStart, messageEnd } = fields;
    let from = messageStart;
    for (
      let at = batch.bytes.indexOf(lineFeed, from);
      at >= 0 && at < messageEnd;
      at = batch.bytes.indexOf(lineFeed, from)
    ) {
      out.append(batch.bytes, from, at);
      out.byte(space);
      from = at + 1;
    }
    out.append(batch.bytes, from, messageEnd);
    out.byte(lineFeed);
  });
}

/** `path` with parameters that it does not have yet. */
function withQuery(path: string, parameters: Readonly<Record<string, string>>): string {
  const [bare, query] = path.split("?", 2) as [string, string | undefined];
  const all = new URLSearchParams(query);
  for (const [name, value] of Object.entries(parameters)) if (!all.has(name) && value !== "") all.set(name, value);
  return all.size === 0 ? bare : `${bare}?${all}`;
}

/** Names of the Elastic Common Schema: those that the templates of data streams know. */
const ecsNames: DocumentNames = {
  time: "@timestamp",
  message: "message",
  source: "labels.source",
  host: "host.name",
  program: "log.syslog.appname",
  procid: "log.syslog.procid",
  msgid: "log.syslog.msgid",
  data: "labels.structured_data",
  severity: "log.level",
  severityCode: "log.syslog.severity.code",
  facilityCode: "log.syslog.facility.code",
  peer: "labels.peer",
  metadataPrefix: "labels.",
};

/** Short names, for everybody else. */
const plainNames: DocumentNames = {
  time: "time",
  message: "message",
  source: "source",
  host: "host",
  program: "program",
  procid: "procid",
  msgid: "msgid",
  data: "data",
  severity: "severity",
  facilityCode: "facility",
  peer: "peer",
};

/** Loki's `block_ingestion_status_code`, so that clients that know no better drop what it does not take. */
const ingestionBlocked = 260;
const otlpRetryable: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const lineFeed = 10;
const space = 32;
const comma = 44;
const openingBracket = 91;
const closingBracket = 93;
const decoder = new TextDecoder();
