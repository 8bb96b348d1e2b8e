import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { parseAnswer } from "./http.ts";
import { parseRetryAfterMs, requireSuccess } from "./protocol.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (body: Uint8Array | undefined): string | undefined =>
  body === undefined ? undefined : new TextDecoder().decode(body);

Deno.test("parseAnswer() waits for the whole body, however its end is marked", () => {
  const whole: Readonly<Record<string, string>> = {
    "by length": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "by chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    "after 100 Continue": "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello",
  };
  for (const [name, sent] of Object.entries(whole)) {
    strictEqual(text(parseAnswer(bytes(sent), false)?.body), "hello", name);
    const cut = sent.length - (name === "by chunks" ? 8 : 1);
    for (let i = 0; i < cut; i++) {
      strictEqual(parseAnswer(bytes(sent.slice(0, i)), false), undefined, `${name} at ${i}`);
    }
  }
  const open = bytes("HTTP/1.0 200\r\n\r\nhello");
  strictEqual(parseAnswer(open, false), undefined);
  strictEqual(text(parseAnswer(open, true)?.body), "hello", "by the end of the connection");
  strictEqual(parseAnswer(bytes("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"), true), undefined, "cut short");
});

Deno.test("parseAnswer() refuses what is not HTTP", () => {
  for (const sent of ["SSH-2.0-x\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"]) {
    throws(() => parseAnswer(bytes(sent), true), { name: "PeerError" }, sent);
  }
});

Deno.test("requireSuccess() turns each status into what it means", () => {
  const url = new URL("https://loghost.lab/sign");
  const answer = (
    status: number,
    headers: readonly (readonly [string, string])[] = [],
  ): Parameters<typeof requireSuccess>[0] => ({
    status,
    headers: new Map(headers),
    body: bytes("because\x1b[31m\nmore"),
  });
  strictEqual(requireSuccess(answer(200), url).status, 200);
  for (const status of [400, 401, 403, 404, 301, 413]) {
    throws(() => requireSuccess(answer(status), url), { name: "RefusedError" });
  }
  for (const status of [202, 408, 429, 500, 503]) {
    throws(() => requireSuccess(answer(status), url), { name: "TryLaterError" });
  }
  throws(() => requireSuccess(answer(202, [["retry-after", "7"]]), url), { retryAfterMs: 7_000 });
  throws(() => requireSuccess(answer(403), url), { message: /refused \(403, because \[31m\)/ });
});

Deno.test("parseRetryAfterMs() reads seconds and dates", () => {
  deepStrictEqual(
    ["120", "Thu, 01 Jan 1970 00:01:00 GMT", "soon", undefined].map((value) => parseRetryAfterMs(value, 0)),
    [
      120_000,
      60_000,
      undefined,
      undefined,
    ],
  );
});
