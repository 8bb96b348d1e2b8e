import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { batchOfLines, type Origin } from "../pipeline/batch.ts";
import { decodeProtobufAnswer, fieldsOf, OtlpEncoder, parseJsonAnswer } from "./otlp_logs.ts";

const origin: Origin = {
  source: "messages",
  host: "router1",
  program: "su",
  priority: 4 * 8 + 3,
  form: "plain",
  readAtMs: 1_700_000_000_123,
};
const foreign: Origin = { ...origin, form: "syslog", source: "relp" };
const batches = [
  batchOfLines(["first", "ünïcode"], origin),
  batchOfLines([`<28>1 2026-11-20T19:32:47.948037Z web1 nginx 812 ID47 [a b="c"] third`], foreign),
  batchOfLines(["fourth"], origin),
];
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function encode(encoding: "json" | "protobuf"): Uint8Array {
  const request = new OtlpEncoder({ encoding, version: "1.2", metadata: { project: "garden" } });
  for (let round = 0; round < 2; round++) {
    request.clear();
    for (const batch of batches) for (let i = 0; i < batch.count; i++) request.add(batch, i);
  }
  return request.finish().slice();
}

type Plain = { resource: Record<string, unknown>; records: Record<string, unknown>[] }[];

const expected: Plain = [
  {
    resource: { "host.name": "router1", "service.name": "su", "log.source": "messages", project: "garden" },
    records: [
      { time: "1700000000123000000", severity: 17, word: "err", body: "first", facility: 4 },
      { time: "1700000000123000006", severity: 17, word: "err", body: "ünïcode", facility: 4 },
      { time: "1700000000123000000", severity: 17, word: "err", body: "fourth", facility: 4 },
    ],
  },
  {
    resource: { "host.name": "web1", "service.name": "nginx", "log.source": "relp", project: "garden" },
    records: [{ time: "1795203167948037000", severity: 13, word: "warning", body: "third", facility: 3 }],
  },
];

Deno.test("OtlpEncoder groups records by host, program and source, in JSON", () => {
  type Pair = { key: string; value: { stringValue?: string; intValue?: string } };
  const request = JSON.parse(decoder.decode(encode("json")));
  const pairs = (list: Pair[]): Record<string, unknown> =>
    Object.fromEntries(list.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]));
  const found = request.resourceLogs.map((group: {
    resource: { attributes: Pair[] };
    scopeLogs: {
      scope: unknown;
      logRecords: {
        timeUnixNano: string;
        observedTimeUnixNano: string;
        severityNumber: number;
        severityText: string;
        body: { stringValue: string };
        attributes: Pair[];
      }[];
    }[];
  }) => {
    deepStrictEqual(group.scopeLogs.map(({ scope }) => scope), [{ name: "agent", version: "1.2" }]);
    return {
      resource: pairs(group.resource.attributes),
      records: group.scopeLogs[0]!.logRecords.map((record) => {
        strictEqual(record.observedTimeUnixNano, "1700000000123000000");
        return {
          time: record.timeUnixNano,
          severity: record.severityNumber,
          word: record.severityText,
          body: record.body.stringValue,
          facility: pairs(record.attributes)["syslog.facility"],
        };
      }),
    };
  });
  deepStrictEqual(found, expected);
});

Deno.test("OtlpEncoder writes the same in protocol buffers", () => {
  const all = (bytes: Uint8Array, field: number): Uint8Array[] =>
    [...fieldsOf(bytes)].filter(([found]) => found === field).map(([, value]) => value as Uint8Array);
  const numberAt = (bytes: Uint8Array, field: number): unknown =>
    [...fieldsOf(bytes)].find(([found]) => found === field)?.[1];
  const text = (bytes: Uint8Array, field: number): string => decoder.decode(all(bytes, field)[0]);
  const pairs = (list: Uint8Array[]): Record<string, unknown> =>
    Object.fromEntries(list.map((pair) => {
      const value = all(pair, 2)[0]!;
      return [text(pair, 1), numberAt(value, 3) ?? text(value, 1)];
    }));
  const found = all(encode("protobuf"), 1).map((group) => ({
    resource: pairs(all(all(group, 1)[0]!, 1)),
    records: all(all(group, 2)[0]!, 2).map((record) => ({
      time: String(new DataView(all(record, 1)[0]!.slice().buffer).getBigUint64(0, true)),
      severity: numberAt(record, 2),
      word: text(record, 3),
      body: text(all(record, 5)[0]!, 1),
      facility: pairs(all(record, 6))["syslog.facility"],
    })),
  }));
  deepStrictEqual(found, expected);
});

Deno.test("OtlpEncoder keeps what is not UTF-8 as bytes", () => {
  const bytes = new Uint8Array([0x61, 0xff, 10]);
  const batch = { ...batchOfLines(["xx"], origin), bytes };
  const request = new OtlpEncoder({ encoding: "json", version: "1", metadata: {} });
  request.add(batch, 0);
  const [record] = JSON.parse(decoder.decode(request.finish())).resourceLogs[0].scopeLogs[0].logRecords;
  deepStrictEqual(record.body, { bytesValue: "Yf8=" });
});

Deno.test("parseJsonAnswer() and decodeProtobufAnswer() tell what was left out", () => {
  const none = { rejected: 0, message: "" };
  for (const text of ["", "{}", "null", `{"partialSuccess":null}`, `{"partialSuccess":{}}`]) {
    deepStrictEqual(parseJsonAnswer(text), none);
  }
  deepStrictEqual(parseJsonAnswer(`{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"old"}}`), {
    rejected: 3,
    message: "old",
  });
  throws(() => parseJsonAnswer(`{"partialSuccess":{"rejectedLogRecords":"x"}}`));
  deepStrictEqual(decodeProtobufAnswer(new Uint8Array(0)), none);
  const words = encoder.encode("old");
  const partial = [8, 0xac, 2, 0x12, words.length, ...words];
  deepStrictEqual(decodeProtobufAnswer(new Uint8Array([10, partial.length, ...partial])), {
    rejected: 300,
    message: "old",
  });
  throws(() => decodeProtobufAnswer(new Uint8Array([10, 9, 8])), /torn/);
  throws(() => decodeProtobufAnswer(new Uint8Array(20).fill(0xff)), /too long|torn|unknown/);
});
