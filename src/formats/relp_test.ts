import { deepStrictEqual, strictEqual } from "node:assert/strict";
import {
  commands,
  encodeFrame,
  FrameEncoder,
  isCommand,
  maxTransaction,
  newFrameHeader,
  parseOffers,
  readFrameHeader,
} from "./relp.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function read(text: string): string {
  const bytes = encode(text);
  const header = newFrameHeader();
  const result = readFrameHeader(bytes, 0, bytes.length, header);
  if (result !== "complete") return result;
  const command = decode(bytes.subarray(header.commandStart, header.commandEnd));
  return `${header.transaction} ${command} ${header.dataLength} @${header.dataStart}`;
}

Deno.test("readFrameHeader() reads what librelp reads", () => {
  strictEqual(read("1 open 86 relp"), "1 open 86 @10");
  strictEqual(read("002 syslog 5 hello\n"), "2 syslog 5 @13");
  strictEqual(read("2 syslog 0\n"), "2 syslog 0 @10");
  strictEqual(read("2 syslog \n"), "2 syslog 0 @9");
  strictEqual(read("999999999 close 0\n"), "999999999 close 0 @17");
});

Deno.test("readFrameHeader() refuses what librelp refuses", () => {
  const bad = [
    "1234567890 x 0\n",
    "1 open2 0\n",
    `1 ${"a".repeat(33)} 0\n`,
    "2 syslog 0 \n",
    "2 syslog -1 x\n",
    "2 syslog 1234567890 x",
    "GET / HTTP/1.1\r\n",
    " 1 x 0\n",
    "1  0\n",
    "2 syslog 5\n",
    "2 syslog 0\r\n",
  ];
  for (const text of bad) strictEqual(read(text), "invalid", JSON.stringify(text));
});

Deno.test("readFrameHeader() asks for more at every length short of the header", () => {
  const text = "123456789 serverclose 4711 x";
  for (let length = 0; length < text.length - 1; length++) {
    strictEqual(read(text.slice(0, length)), "partial", `${length} bytes`);
  }
});

Deno.test("FrameEncoder writes what readFrameHeader() reads, at lengths where the digits change", () => {
  const frames = new FrameEncoder(64);
  const bytes = encode("x".repeat(1_000));
  for (const length of [0, 1, 9, 10, 24, 25, 99, 100, 1_000]) {
    frames.clear();
    strictEqual(frames.append(maxTransaction, commands.syslog, encode("<13>"), bytes, 0, length), true);
    strictEqual(decode(frames.written), `999999999 syslog ${length + 4} <13>${"x".repeat(length)}\n`);
    const header = newFrameHeader();
    strictEqual(readFrameHeader(frames.written, 0, frames.length, header), "complete");
    deepStrictEqual([header.dataLength, isCommand(frames.written, header, commands.syslog)], [length + 4, true]);
  }
});

Deno.test("FrameEncoder keeps what fits and says when nothing more does", () => {
  const frames = new FrameEncoder(80);
  const bytes = encode("y".repeat(40));
  strictEqual(frames.append(1, commands.syslog, encode(""), bytes, 0, 40), true);
  strictEqual(frames.append(2, commands.syslog, encode(""), bytes, 0, 40), false);
  strictEqual(decode(frames.written), `1 syslog 40 ${"y".repeat(40)}\n`);
});

Deno.test("FrameEncoder acknowledges a run of transactions with the bytes that librelp expects", () => {
  const frames = new FrameEncoder(8);
  frames.appendAcknowledgements(8, 11);
  strictEqual(decode(frames.written), "8 rsp 6 200 OK\n9 rsp 6 200 OK\n10 rsp 6 200 OK\n11 rsp 6 200 OK\n");
});

Deno.test("encodeFrame() leaves out the space when there is no data", () => {
  strictEqual(decode(encodeFrame(102, "close")), "102 close 0\n");
  strictEqual(decode(encodeFrame(2, "rsp", "200 OK")), "2 rsp 6 200 OK\n");
  strictEqual(decode(encodeFrame(2, "rsp", "ä")), "2 rsp 2 ä\n");
});

Deno.test("parseOffers() tolerates empty lines and names without a value", () => {
  deepStrictEqual([...parseOffers("\nrelp_version=0\ncommands=syslog,x\nodd\n")], [["relp_version", "0"], [
    "commands",
    "syslog,x",
  ], ["odd", ""]]);
});
