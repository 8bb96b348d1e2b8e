import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { encodeCount, type FramingOptions, type RecordRun, SyslogSplitter } from "./syslog_framing.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const options: FramingOptions = { maxRecordBytes: 64, nulEnds: false };

function texts(run: RecordRun): string[] {
  return Array.from(
    { length: run.count },
    (_, i) => decoder.decode(run.bytes.subarray(run.bounds[2 * i], run.bounds[2 * i + 1])),
  );
}

/** All records of a stream that comes in chunks of `chunkBytes`. */
function split(text: string, chunkBytes: number, given: Partial<FramingOptions> = {}): string[] {
  const splitter = new SyslogSplitter({ ...options, ...given });
  const bytes = encoder.encode(text);
  const records: string[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    records.push(...texts(splitter.push(bytes.slice(at, at + chunkBytes))));
    ok(splitter.restBytes <= (given.maxRecordBytes ?? options.maxRecordBytes) + 11, "the rest is bounded");
  }
  return [...records, ...texts(splitter.flush())];
}

const chunkings = [1, 2, 3, 7, 64, 10_000];

Deno.test("SyslogSplitter tells counted records and lines apart, however they are cut", () => {
  const stream = "<13>one\n9 <13>a\nb\nc<13>two\r\n\n2024 was a line\n7 dwarfs\n<13>three\n8 <14>last";
  const want = ["<13>one", "<13>a\nb\nc", "<13>two", "2024 was a line", "7 dwarfs", "<13>three", "<14>last"];
  for (const size of chunkings) deepStrictEqual(split(stream, size), want, `chunks of ${size}`);
});

Deno.test("SyslogSplitter gives the torn end of a stream", () => {
  for (const size of chunkings) {
    deepStrictEqual(split("<13>whole\n<13>to", size), ["<13>whole", "<13>to"]);
    deepStrictEqual(split("99 <13>torn", size), ["<13>torn"]);
    deepStrictEqual(split("123", size), ["123"]);
    deepStrictEqual(split("", size), []);
  }
});

Deno.test("SyslogSplitter splits what is too long and loses no byte of it", () => {
  for (const size of chunkings) {
    const long = "x".repeat(200);
    strictEqual(
      split(`<1>${long}\n<2>next\n`, size).join("|"),
      [`<1>${"x".repeat(61)}`, "x".repeat(64), "x".repeat(64), "x".repeat(11), "<2>next"].join("|"),
    );
    deepStrictEqual(split(`203 <1>${long}<2>next\n`, size), [
      `<1>${"x".repeat(61)}`,
      "x".repeat(64),
      "x".repeat(64),
      "x".repeat(11),
      "<2>next",
    ]);
  }
});

Deno.test("SyslogSplitter keeps a bounded rest, whatever count is announced", () => {
  const splitter = new SyslogSplitter(options);
  let bytes = 0;
  splitter.push(encoder.encode("999999999 <1>"));
  for (let i = 0; i < 1_000; i++) {
    for (const text of texts(splitter.push(encoder.encode("y".repeat(50))))) bytes += text.length;
    ok(splitter.restBytes <= 64);
  }
  ok(bytes > 49_000);
  strictEqual(splitter.splitRecords, 1);
});

Deno.test("SyslogSplitter ends lines at NUL where that is asked for", () => {
  for (const size of chunkings) {
    deepStrictEqual(split("<13>a\0<13>b\n\0<13>c\0", size, { nulEnds: true }), ["<13>a", "<13>b", "<13>c"]);
    deepStrictEqual(split("<13>a\0b\n", size), ["<13>a\0b"]);
  }
});

Deno.test("SyslogSplitter calls a run packed only when it is", () => {
  const packed = (text: string): boolean => new SyslogSplitter(options).push(encoder.encode(text)).packed;
  ok(packed("<1>a\n<1>b\n<1>torn"));
  for (const text of ["<1>a\r\n<1>b\n", "<1>a\n\n<1>b\n", "4 <1>a<1>b\n", "<1>a\n4 <1>b"]) ok(!packed(text), text);
});

Deno.test("encodeCount() writes what SyslogSplitter reads", () => {
  const record = "<13>host ä: hällo";
  const size = encoder.encode(record).length;
  deepStrictEqual(split(decoder.decode(encodeCount(size)) + record + "<1>x\n", 5), [record, "<1>x"]);
});
