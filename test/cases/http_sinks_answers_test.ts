/** What the sinks over HTTP do with each kind of answer: what may be sent again is, and nothing else, in order. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { fieldsOf } from "../../src/formats/otlp_logs.ts";
import { type Batch, batchOfLines, type Origin } from "../../src/pipeline/batch.ts";
import { PeerError } from "../../src/pipeline/errors.ts";
import type { Sink } from "../../src/pipeline/sink.ts";
import {
  bulkProtocol,
  lokiProtocol,
  otlpProtocol,
  plainProtocol,
  victoriaLogsProtocol,
} from "../../src/sinks/http/protocols.ts";
import { type HttpSinkOptions, openHttpSink } from "../../src/sinks/http/sink.ts";
import { parseBulkBody, type ScriptedAnswer, ScriptedHttp, type SeenRequest } from "../peers/scripted_http.ts";

const origin: Origin = {
  source: "messages",
  host: "router1",
  program: "su",
  priority: 13,
  form: "plain",
  readAtMs: 1_700_000_000_123,
};
const lines = (...texts: readonly string[]): Batch => batchOfLines(texts, origin);
const common = { path: "/in", headers: {}, metadata: {} } as const;
const protocols = {
  bulk: () => bulkProtocol({ ...common, index: "logs-a-b", ids: true }),
  loki: () => lokiProtocol({ ...common, labels: ["source", "host"], structuredMetadata: true }),
  otlpJson: () => otlpProtocol({ ...common, encoding: "json", version: "1" }),
  otlpProtobuf: () => otlpProtocol({ ...common, encoding: "protobuf", version: "1" }),
  victorialogs: () => victoriaLogsProtocol({ ...common, streamFields: ["host"] }),
  http: () => plainProtocol({ ...common, method: "POST", format: "ndjson" }),
} as const;
type Kind = keyof typeof protocols;
const kinds = Object.keys(protocols) as Kind[];
const forever = new AbortController().signal;

function openSink(kind: Kind, port: number, more: Partial<HttpSinkOptions> = {}): Sink {
  return openHttpSink({
    id: kind,
    host: "127.0.0.1",
    port,
    connectionTimeoutMs: 5_000,
    timeoutMs: 5_000,
    compression: "gzip",
    maxRequestBytes: 1_000_000,
    maxRequestRecords: 1_000,
    batchWaitMs: 0,
    version: "1",
    protocol: protocols[kind](),
    ...more,
  });
}

/** The messages of a request, in its order, whatever the protocol. */
function messagesOf({ path, headers, text, body }: SeenRequest): string[] {
  const type = headers["content-type"];
  if (path.includes("filter_path")) return parseBulkBody(text).map(({ document }) => String(document.message));
  if (type === "application/x-protobuf") return protobufBodies(body);
  if (type !== "application/json") {
    return text.trimEnd().split("\n").map((line) => JSON.parse(line)).map((document) =>
      String(document._msg ?? document.message)
    );
  }
  const document = JSON.parse(text);
  if ("streams" in document) return document.streams.flatMap((s: { values: string[][] }) => s.values.map((v) => v[1]!));
  return document.resourceLogs[0].scopeLogs[0].logRecords.map((r: { body: { stringValue: string } }) =>
    r.body.stringValue
  );
}

function protobufBodies(body: Uint8Array): string[] {
  const inside = (bytes: Uint8Array, field: number): Uint8Array[] =>
    [...fieldsOf(bytes)].filter(([found]) => found === field).map(([, value]) => value as Uint8Array);
  return inside(body, 1).flatMap((resource) => inside(resource, 2)).flatMap((scope) => inside(scope, 2))
    .flatMap((record) => inside(record, 5)).flatMap((any) => inside(any, 1)).map((text) =>
      new TextDecoder().decode(text)
    );
}

function accepted(request: SeenRequest): ScriptedAnswer {
  if (request.path.includes("filter_path")) return { status: 200, body: `{"errors":false}` };
  return { status: request.headers["content-type"] === "application/x-protobuf" ? 200 : 204 };
}

for (const kind of kinds) {
  Deno.test(`HttpSink sends ${kind} in order, many batches in a request, one request at a time`, async () => {
    await using server = await ScriptedHttp.start({ answer: accepted });
    await using sink = openSink(kind, server.port, { batchWaitMs: 50 });
    const batches = Array.from({ length: 20 }, (_, i) => lines(`first of ${i}`, `second of ${i}`));
    const answers = await Promise.all(batches.map((batch) => sink.send(batch, forever)));
    deepStrictEqual(answers.flat(), []);
    const expected = batches.flatMap((_, i) => [`first of ${i}`, `second of ${i}`]);
    deepStrictEqual(server.requests.flatMap(messagesOf), expected);
    strictEqual(server.requests.length, 1);
    await sink.send(lines("another"), forever);
    deepStrictEqual([server.requests.length, server.connections, server.maxOpen], [2, 1, 1]);
    deepStrictEqual(server.complaints, []);
    strictEqual(server.requests[0]!.headers["content-encoding"], "gzip");
  });
}

const retryable: Readonly<Record<Kind, readonly number[]>> = {
  bulk: [408, 429, 500, 502, 503, 504, 505],
  loki: [260, 408, 429, 500, 502, 503, 504],
  otlpJson: [429, 502, 503, 504],
  otlpProtobuf: [429, 502, 503, 504],
  victorialogs: [408, 429, 500, 502, 503, 504],
  http: [408, 425, 429, 500, 502, 503, 504],
};
const final: Readonly<Record<Kind, readonly number[]>> = {
  bulk: [400, 409, 422, 501],
  loki: [400, 422, 501],
  otlpJson: [400, 408, 422, 500, 501, 505],
  otlpProtobuf: [400, 408, 422, 500, 501, 505],
  victorialogs: [400, 422, 501],
  http: [400, 409, 410, 422, 501],
};
const corrected = [301, 307, 401, 403, 404, 405, 407];

for (const kind of kinds) {
  Deno.test(`HttpSink of ${kind} fails for what may be sent again, and what the pump repeats arrives once`, async () => {
    for (const status of [...retryable[kind], ...corrected]) {
      await using server = await ScriptedHttp.start({
        answer: (request, index) => index === 0 ? { status, body: "not now" } : accepted(request),
      });
      await using sink = openSink(kind, server.port);
      const batch = lines("a", "b");
      const behind = lines("c");
      const first = sink.send(batch, forever);
      const second = sink.send(behind, forever);
      await rejects(first, (error) => error instanceof PeerError && error.message.includes(String(status)));
      await rejects(second, PeerError);
      await rejects(sink.send(lines("overtakes"), forever), PeerError);
      strictEqual(server.requests.length, 1);
      sink.reset();
      deepStrictEqual(await Promise.all([sink.send(batch, forever), sink.send(behind, forever)]), [[], []]);
      deepStrictEqual(server.requests.slice(1).flatMap(messagesOf), ["a", "b", "c"], `after ${status}`);
    }
  });

  Deno.test(`HttpSink of ${kind} refuses records for good where the protocol forbids to send them again`, async () => {
    for (const status of final[kind]) {
      await using server = await ScriptedHttp.start({ answer: () => ({ status, body: "bad\nrequest" }) });
      await using sink = openSink(kind, server.port);
      const rejections = await sink.send(lines("a"), forever);
      deepStrictEqual(rejections, [{ index: 0, reason: `${status} bad request` }]);
      strictEqual(server.requests.length, 1);
    }
  });

  Deno.test(`HttpSink of ${kind} halves what is too large, keeps the order, and refuses a record that alone is`, async () => {
    await using server = await ScriptedHttp.start({
      answer: (request) =>
        messagesOf(request).length > 3 || request.text.includes("huge") ? { status: 413 } : accepted(request),
    });
    await using sink = openSink(kind, server.port);
    const texts = Array.from({ length: 10 }, (_, i) => i === 4 ? "huge" : `line ${i}`);
    const rejections = await sink.send(lines(...texts), forever);
    deepStrictEqual(rejections.map(({ index }) => index), [4]);
    match(rejections[0]!.reason, /^413/);
    const stored = server.requests.filter((request) =>
      messagesOf(request).length <= 3 && !request.text.includes("huge")
    );
    deepStrictEqual(stored.flatMap(messagesOf), texts.filter((text) => text !== "huge"));
  });

  Deno.test(`HttpSink of ${kind} counts nothing as delivered without a whole answer`, async () => {
    for (const broken of ["hang", "close", "closeWithin"] as const) {
      await using server = await ScriptedHttp.start({ answer: (request, i) => i === 0 ? broken : accepted(request) });
      await using sink = openSink(kind, server.port, broken === "hang" ? { timeoutMs: 1_500 } : {});
      const batch = lines("a", "b");
      await rejects(sink.send(batch, forever), PeerError);
      sink.reset();
      deepStrictEqual(await sink.send(batch, forever), []);
      deepStrictEqual(server.requests.map(messagesOf), [["a", "b"], ["a", "b"]]);
      if (kind === "bulk") strictEqual(server.requests[0]!.text, server.requests[1]!.text, "the ids are the same");
    }
  });
}

Deno.test("HttpSink of bulk sends again only the items that may be, and takes a conflict for delivered", async () => {
  const item = (status: number, type = "error"): unknown => ({ create: { status, error: { type, reason: "words" } } });
  const answers = [
    [
      item(201),
      item(429, "es_rejected_execution_exception"),
      item(400, "mapper_parsing_exception"),
      item(409),
      item(503),
    ],
    [item(201), item(409)],
  ];
  await using server = await ScriptedHttp.start({
    answer: (_, index) => ({ status: 200, body: JSON.stringify({ took: 1, errors: true, items: answers[index] }) }),
  });
  await using sink = openSink("bulk", server.port);
  const batch = lines("a", "b", "c", "d", "e");
  await rejects(sink.send(batch, forever), /2 of 5 records are to be sent again: 429 es_rejected_execution_exception/);
  sink.reset();
  const rejections = await sink.send(batch, forever);
  deepStrictEqual(rejections, [{ index: 2, reason: "400 mapper_parsing_exception: words" }]);
  deepStrictEqual(server.requests.map(messagesOf), [["a", "b", "c", "d", "e"], ["b", "e"]]);
  const [first, second] = server.requests.map(({ text }) => parseBulkBody(text).map(({ action }) => action._id));
  deepStrictEqual(second, [first![1], first![4]]);
  strictEqual(new Set(first).size, 5);
});

Deno.test("HttpSink of bulk believes no answer that is not one of _bulk", async () => {
  const bodies = ["<html>login</html>", `{"errors":true,"items":[]}`, `{"errors":true,"items":[{"create":{}}]}`, "[1"];
  for (const body of bodies) {
    await using server = await ScriptedHttp.start({ answer: () => ({ status: 200, body }) });
    await using sink = openSink("bulk", server.port);
    await rejects(sink.send(lines("a"), forever), PeerError);
  }
});

Deno.test("HttpSink of loki finds the line that is refused among many, and gives up on many bad ones", async () => {
  const isBad = (text: string): boolean => text.includes("too old");
  await using server = await ScriptedHttp.start({
    answer: (request) => isBad(request.text) ? { status: 400, body: "timestamp too old" } : { status: 204 },
  });
  await using sink = openSink("loki", server.port);
  const texts = Array.from({ length: 500 }, (_, i) => i === 123 ? "too old" : `line ${i}`);
  deepStrictEqual(await sink.send(lines(...texts), forever), [{ index: 123, reason: "400 timestamp too old" }]);
  const stored = server.requests.filter(({ text }) => !isBad(text)).flatMap(messagesOf);
  deepStrictEqual(stored, texts.filter((text) => !isBad(text)));
  const before = server.requests.length;
  const all = await sink.send(lines(...Array.from({ length: 1_000 }, () => "too old")), forever);
  strictEqual(all.length, 1_000);
  ok(server.requests.length - before < 100, `${server.requests.length - before} requests`);
});

Deno.test("HttpSink of otlp never repeats what a partial success left out", async () => {
  const partial = {
    otlpJson: JSON.stringify({ partialSuccess: { rejectedLogRecords: "1", errorMessage: "no" } }),
    // partial_success { rejected_log_records: 1, error_message: "no" }
    otlpProtobuf: new Uint8Array([0x0a, 6, 0x08, 1, 0x12, 2, 0x6e, 0x6f]),
  };
  for (const kind of ["otlpJson", "otlpProtobuf"] as const) {
    await using server = await ScriptedHttp.start({ answer: () => ({ status: 200, body: partial[kind] }) });
    await using sink = openSink(kind, server.port);
    const rejections = await sink.send(lines("a", "b"), forever);
    strictEqual(rejections.length, 2);
    match(rejections[0]!.reason, /1 of 2 records were rejected, and it does not say which: no/);
    strictEqual(server.requests.length, 1);
  }
});

Deno.test("HttpSink waits for as long as Retry-After asks, and a stop ends the wait", async () => {
  await using server = await ScriptedHttp.start({
    answer: (_, index) => ({ status: 429, headers: { "Retry-After": index === 0 ? "1" : "3600" } }),
  });
  await using sink = openSink("http", server.port);
  const batch = lines("a");
  const startMs = performance.now();
  for (let i = 0; i < 2; i++) {
    await rejects(sink.send(batch, forever), PeerError);
    sink.reset();
  }
  ok(performance.now() - startMs >= 990);
  const stop = new AbortController();
  const third = sink.send(batch, stop.signal);
  stop.abort();
  await rejects(third, /stopped/);
  strictEqual(server.requests.length, 2);
});

Deno.test("HttpSink replaces a connection that the server closed while nothing was sent", async () => {
  await using server = await ScriptedHttp.start({
    answer: (request) => ({ ...(accepted(request) as { status: number }), headers: { Connection: "close" } }),
  });
  await using sink = openSink("http", server.port);
  for (let i = 0; i < 5; i++) deepStrictEqual(await sink.send(lines(`${i}`), forever), []);
  deepStrictEqual([server.requests.length, server.connections], [5, 5]);
});

Deno.test("HttpSink goes on at once when the server closed an idle connection", async () => {
  await using server = await ScriptedHttp.start({ answer: accepted });
  await using sink = openSink("http", server.port);
  for (let i = 0; i < 5; i++) {
    deepStrictEqual(await sink.send(lines(`${i}`), forever), []);
    await server.closeIdle();
  }
  deepStrictEqual([server.requests.length, server.connections], [5, 5]);
});

Deno.test("HttpSink keeps requests below their size and number of records", async () => {
  await using server = await ScriptedHttp.start({ answer: accepted });
  await using sink = openSink("http", server.port, {
    maxRequestBytes: 4_000,
    maxRequestRecords: 7,
    compression: "zstd",
  });
  const texts = Array.from({ length: 100 }, (_, i) => `${i}`.padStart(200, "x"));
  await sink.send(lines(...texts), forever);
  deepStrictEqual(server.requests.flatMap(messagesOf), texts);
  for (const request of server.requests) ok(messagesOf(request).length <= 7 && request.body.length < 5_000);
});

Deno.test("HttpSink shows credentials out of files, read anew, and never says them", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const secretFile = join(folder, "secret");
    await using server = await ScriptedHttp.start({ answer: () => ({ status: 401 }) });
    const seen: unknown[] = [];
    for (const kind of ["basic", "bearer", "apiKey"] as const) {
      await using sink = openSink("http", server.port, { credentials: { kind, secretFile, user: "agent" } });
      Deno.writeTextFileSync(secretFile, "id:s3cret\n");
      await rejects(sink.send(lines("a"), forever), (error) => !String(error).includes("s3cret"));
      seen.push(server.requests.at(-1)!.headers.authorization);
      sink.reset();
      Deno.writeTextFileSync(secretFile, "s3cret two words\n");
      if (kind !== "basic") await rejects(sink.send(lines("a"), forever), (error) => !String(error).includes("s3cret"));
    }
    deepStrictEqual(seen, [`Basic ${btoa("agent:id:s3cret")}`, "Bearer id:s3cret", `ApiKey ${btoa("id:s3cret")}`]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
