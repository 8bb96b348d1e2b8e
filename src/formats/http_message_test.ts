import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { AnswerReader, encodeRequestHead, type HttpAnswer, parseRetryAfterMs } from "./http_message.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The answer read in portions of `size` bytes. */
function read(text: string, size = 1, end = false): HttpAnswer | undefined {
  const reader = new AnswerReader(1_000);
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length; at += size) {
    const answer = reader.push(bytes.subarray(at, at + size));
    if (answer !== undefined) return answer;
  }
  return end ? reader.end() : undefined;
}

Deno.test("AnswerReader reads every kind of body, in whatever portions it comes", () => {
  const cases: readonly [string, number, string, boolean, boolean?][] = [
    ["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", true],
    ["HTTP/1.1 204 No Content\r\n\r\n", 204, "", true],
    [
      "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n",
      200,
      "abcde",
      true,
    ],
    ["HTTP/1.1 413 Too Large\r\nConnection: close\r\ncontent-length:2\r\n\r\nno", 413, "no", false],
    ["HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", false],
    ["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\nRetry-After: 7\n\n", 503, "", false, true],
    ["HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end", false, true],
  ];
  for (const [text, status, body, keepsAlive, end] of cases) {
    for (const size of [1, 2, 7, 1_000]) {
      const answer = read(text, size, end)!;
      deepStrictEqual(
        [answer.status, decoder.decode(answer.body), answer.keepsAlive],
        [status, body, keepsAlive],
        text,
      );
    }
  }
  strictEqual(read("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Y:  z \r\n\r\n")!.headers.get("x-y"), "z");
});

Deno.test("AnswerReader refuses what is no answer, what is too long, and what is torn", () => {
  const head = "HTTP/1.1 200 OK\r\n";
  throws(() => read("SSH-2.0-OpenSSH\r\n\r\n"), /does not speak HTTP/);
  throws(() => read(`${head}Content-Length: 1001\r\n\r\n`), /too long/);
  throws(() => read(`${head}Content-Length: -1\r\n\r\n`), /no number/);
  throws(() => read(`${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`), /no number/);
  throws(() => read(`${head}Transfer-Encoding: gzip\r\n\r\n`), /transfer coding/);
  throws(() => read(`${head}Transfer-Encoding: chunked\r\n\r\n3e9\r\n${"x".repeat(1_001)}`, 100), /too long/);
  throws(() => read(`${head}\r\n${"x".repeat(1_001)}`, 100), /too long/);
  throws(() => read("x".repeat(70_000), 1_000), /head of the answer is too long/);
  throws(() => read("HTTP/1.1 101 Switching\r\n\r\n"), /changes the protocol/);
  throws(() => read(`${head}Content-Length: 9\r\n\r\nabc`, 1, true), /ended within/);
  throws(() => read("HTTP/1.1 20", 1, true), /ended within/);
});

Deno.test("encodeRequestHead() lets nothing break out of its line, and repeats no value", () => {
  const text = decoder.decode(encodeRequestHead("POST", "/a?b=c", { Host: "h", "X-A": "b c" }));
  strictEqual(text, "POST /a?b=c HTTP/1.1\r\nHost: h\r\nX-A: b c\r\n\r\n");
  throws(() => encodeRequestHead("POST", "/a b", {}), /no path/);
  throws(() => encodeRequestHead("POST", "/", { "a b": "c" }), /no name/);
  throws(
    () => encodeRequestHead("POST", "/", { A: "s3cret\r\nB: c" }),
    (error: Error) => !error.message.includes("s3"),
  );
});

Deno.test("parseRetryAfterMs() takes seconds and dates", () => {
  strictEqual(parseRetryAfterMs("120", 0), 120_000);
  strictEqual(parseRetryAfterMs("Fri, 31 Dec 1999 23:59:59 GMT", Date.UTC(1999, 11, 31, 23, 59, 50)), 9_000);
  strictEqual(parseRetryAfterMs("Fri, 31 Dec 1999 23:59:59 GMT", Date.UTC(2020, 0)), 0);
  for (const bad of [undefined, "", "-1", "1.5", "soon", "9".repeat(30)]) {
    strictEqual(parseRetryAfterMs(bad, 0), undefined);
  }
});
