import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { freeBytes } from "../../formats/bytes.ts";
import { FrameDecoder, type FrameLimits } from "./frames.ts";

const limits: FrameLimits = { maxDataBytes: 64, oversizeMode: "truncate" };
const encode = (text: string) => new TextEncoder().encode(text);

/** Feeds `text` in chunks of `size` and writes down what comes out. */
function decodeAll(
  text: string,
  size: number,
  frameLimits: FrameLimits = limits,
): { out: string[]; mistake: string | undefined; truncated: number } {
  const decoder = new FrameDecoder(frameLimits);
  const bytes = encode(text);
  const out: string[] = [];
  let truncated = 0;
  for (let at = 0; at < bytes.length; at += size) {
    const result = decoder.read(bytes.slice(at, at + size));
    const { records } = result;
    for (const { command, transaction, data } of result.control) out.push(`${transaction} ${command} ${data}`.trim());
    for (let i = 0; i < records.count; i++) {
      out.push(new TextDecoder().decode(records.bytes.subarray(records.bounds[2 * i], records.bounds[2 * i + 1])));
    }
    truncated += result.truncated;
    if (result.mistake !== undefined) return { out, mistake: result.mistake, truncated };
  }
  return { out, mistake: undefined, truncated };
}

const session =
  "1 open 15 commands=syslog\n2 syslog 5 hello\n3 syslog 0\n4 syslog 6 world\n\n5 syslog 3 a\nb\n6 close 0\n";

Deno.test("FrameDecoder gives the same records whole, byte by byte and in every size between", () => {
  const expected = ["1 open commands=syslog", "hello", "", "world", "a\nb", "6 close"];
  for (let size = 1; size <= session.length; size++) {
    const { out, mistake } = decodeAll(session, size);
    deepStrictEqual([out.filter((line) => line.includes("open") || line.includes("close")), mistake], [[
      "1 open commands=syslog",
      "6 close",
    ], undefined]);
    deepStrictEqual(
      out.filter((line) => !line.includes("open") && !line.includes("close")),
      expected.slice(1, 5),
      `chunks of ${size}`,
    );
  }
});

Deno.test("FrameDecoder packs records back to back, and says so only when none has an LF inside", () => {
  const whole = new FrameDecoder(limits).read(encode("1 open 1 x\n2 syslog 5 hello\n3 syslog 2 yo\n")).records;
  strictEqual(whole.packed, true);
  strictEqual(new TextDecoder().decode(whole.bytes.subarray(0, 9)), "hello\nyo\n");
  strictEqual(new FrameDecoder(limits).read(encode("1 open 1 x\n2 syslog 3 a\nb\n")).records.packed, false);
});

Deno.test("FrameDecoder cuts an oversize message, passes over its rest, and goes on, at every chunk size", () => {
  const text = `1 open 1 x\n2 syslog 100 ${"y".repeat(100)}\n3 syslog 2 ok\n`;
  for (let size = 1; size <= text.length; size++) {
    const { out, mistake, truncated } = decodeAll(text, size);
    deepStrictEqual([out.slice(1), mistake, truncated], [["y".repeat(64), "ok"], undefined, 1], `chunks of ${size}`);
  }
});

Deno.test("FrameDecoder aborts at or accepts an oversize message when told so", () => {
  const text = `1 open 1 x\n2 syslog 100 ${"y".repeat(100)}\n`;
  match(decodeAll(text, 7, { ...limits, oversizeMode: "abort" }).mistake ?? "", /100 bytes, where 64/);
  deepStrictEqual(decodeAll(text, 7, { ...limits, oversizeMode: "accept" }).out[1], "y".repeat(100));
  match(
    decodeAll("1 open 1 x\n2 syslog 999999999 y", 50, { ...limits, oversizeMode: "accept" }).mistake ?? "",
    /999999999/,
  );
});

Deno.test("FrameDecoder ends the session where librelp does", () => {
  for (
    const text of [
      "2 open 1 x\n",
      "1 open 1 x\n3 syslog 1 x\n",
      "1 open 1 x\n1 syslog 1 x\n",
      "0 syslog 1 x\n",
      "1 open 1 x\n2 rsp 6 200 OK\n",
      "1 open 1 x\n2 starttls 0\n",
      "1 open 1 x\n2 syslog 1 xy\n",
      "1 open 1 x\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "\x16\x03\x01\x02",
    ]
  ) {
    strictEqual(typeof decodeAll(text, 4).mistake, "string", JSON.stringify(text));
  }
});

Deno.test("FrameDecoder keeps the records that came before a mistake", () => {
  const { out, mistake } = decodeAll("1 open 1 x\n2 syslog 2 ok\n9 syslog 2 no\n", 1_000);
  deepStrictEqual([out, mistake], [["1 open x", "ok"], "transaction 9 where 3 was due"]);
});

Deno.test("FrameDecoder sets syslog before open apart", () => {
  deepStrictEqual(decodeAll("1 syslog 2 ok\n", 1_000).out, ["1 early"]);
});

Deno.test("FrameDecoder keeps the torn end of a chunk when the chunk's records are given back", () => {
  const decoder = new FrameDecoder(limits);
  const [first, second] = [encode("1 open 15 commands=syslog\n2 syslog 5 hello\n3 sys"), encode("log 5 world\n")];
  freeBytes(decoder.read(first).records.bytes);
  strictEqual(first.length, 0, "it was the chunk itself");
  const { records, mistake } = decoder.read(second);
  strictEqual(mistake, undefined);
  strictEqual(new TextDecoder().decode(records.bytes.subarray(records.bounds[0], records.bounds[1])), "world");
});
