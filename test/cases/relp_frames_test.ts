/**
 * Malformed and odd RELP frames against the real imrelp and against `agent collect`, side by side: the same octets get the
 * same answer. The table is librelp's behaviour as measured; the first test keeps the table true, the second the agent.
 */
import { deepStrictEqual, match, ok as isTrue, strictEqual } from "node:assert/strict";
import { exchange, frameText, latin1, openFrame } from "../peers/relp_script.ts";
import { startRelpServer } from "../peers/rsyslog.ts";
import { startCollector } from "../peers/collector.ts";
import { needs } from "../peers/skip.ts";

interface FrameCase {
  readonly name: string;
  readonly sent: string;
  /** What comes back, without the data of the answer to a good `open`. */
  readonly answer: string;
  readonly closed: boolean;
  /** Where the agent differs on purpose: it always says that it ends a session. */
  readonly agent?: { readonly answer: string; readonly closed: boolean };
}

const opened = "1 rsp OPENED\n";
const ok = (transaction: number): string => `${transaction} rsp 6 200 OK\n`;
const dropped = "0 serverclose 0\n";
const good = frameText(2, "syslog", "<13>1 good\n".trimEnd());
/** Proves that the connection is still in use. */
const next = (transaction: number): string => frameText(transaction, "syslog", "<13>still here");

/** What is answered and leaves the connection open. */
const kept: readonly FrameCase[] = [
  { name: "good frame", sent: openFrame + good + next(3), answer: opened + ok(2) + ok(3), closed: false },
  { name: "length 0", sent: openFrame + "2 syslog 0\n" + next(3), answer: opened + ok(2) + ok(3), closed: false },
  { name: "no length", sent: openFrame + "2 syslog \n" + next(3), answer: opened + ok(2) + ok(3), closed: false },
  {
    name: "leading zeros",
    sent: openFrame + "002 syslog 2 hi\n" + next(3),
    answer: opened + ok(2) + ok(3),
    closed: false,
  },
  {
    name: "LF inside",
    sent: openFrame + "2 syslog 7 <13>a\nb\n" + next(3),
    answer: opened + ok(2) + ok(3),
    closed: false,
  },
  {
    name: "NUL inside",
    sent: openFrame + "2 syslog 7 <13>a\0b\n" + next(3),
    answer: opened + ok(2) + ok(3),
    closed: false,
  },
  {
    name: "octets that are no UTF-8",
    sent: openFrame + "2 syslog 7 <13>\xff\xfe\x80\n" + next(3),
    answer: opened + ok(2) + ok(3),
    closed: false,
  },
  {
    name: "unknown offer",
    sent: frameText(1, "open", "relp_version=0\ncolour=blue\ncommands=syslog,telegraph") + next(2),
    answer: opened + ok(2),
    closed: false,
  },
  {
    name: "no version offered",
    sent: frameText(1, "open", "commands=syslog") + next(2),
    answer: opened + ok(2),
    closed: false,
  },
  {
    name: "syslog before open",
    sent: frameText(1, "syslog", "<13>too early") + frameText(2, "open", "relp_version=0\ncommands=syslog") + next(3),
    answer: "1 rsp 20 500 command disabled\n" + "2 rsp OPENED\n" + ok(3),
    closed: false,
  },
];

/** What ends the connection. */
const ended: readonly FrameCase[] = [
  {
    name: "close",
    sent: openFrame + good + "3 close 0\n",
    answer: opened + ok(2) + "3 rsp 0\n" + dropped,
    closed: true,
  },
  { name: "gap in numbers", sent: openFrame + next(3), answer: opened + dropped, closed: true },
  { name: "number repeated", sent: openFrame + good + good, answer: opened + ok(2) + dropped, closed: true },
  {
    name: "first number is 2",
    sent: frameText(2, "open", "relp_version=0\ncommands=syslog"),
    answer: dropped,
    closed: true,
  },
  { name: "number of 10 digits", sent: openFrame + "0000000002 syslog 2 hi\n", answer: opened + dropped, closed: true },
  { name: "unknown command", sent: openFrame + "2 starttls 0\n", answer: opened + dropped, closed: true },
  {
    name: "command of 33 letters",
    sent: openFrame + `2 ${"s".repeat(33)} 0\n`,
    answer: opened + dropped,
    closed: true,
  },
  { name: "digit in the command", sent: openFrame + "2 sys1og 2 hi\n", answer: opened + dropped, closed: true },
  { name: "length too small", sent: openFrame + "2 syslog 2 hello\n", answer: opened + dropped, closed: true },
  {
    name: "length too large",
    sent: openFrame + "2 syslog 9 hello\n" + next(3),
    answer: opened + dropped,
    closed: true,
  },
  { name: "negative length", sent: openFrame + "2 syslog -1 hi\n", answer: opened + dropped, closed: true },
  { name: "length of 10 digits", sent: openFrame + "2 syslog 0000000002 hi\n", answer: opened + dropped, closed: true },
  { name: "length 0 with a space", sent: openFrame + "2 syslog 0 \n", answer: opened + dropped, closed: true },
  { name: "CR before LF", sent: openFrame + "2 syslog 2 hi\r\n", answer: opened + dropped, closed: true },
  { name: "HTTP", sent: "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", answer: dropped, closed: true },
  {
    name: "TLS hello on a plain port",
    sent: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    answer: dropped,
    closed: true,
  },
  {
    name: "rsp from a client",
    sent: openFrame + frameText(2, "rsp", "200 OK"),
    answer: opened + dropped,
    closed: true,
  },
  {
    name: "serverclose from a client",
    sent: openFrame + "2 serverclose 0\n",
    answer: opened,
    closed: true,
    agent: { answer: opened + dropped, closed: true },
  },
  {
    name: "second open",
    sent: openFrame + frameText(2, "open", "relp_version=0\ncommands=syslog"),
    answer: opened + "2 rsp 43 500 protocol error: connection already open\n2 rsp 26 500 error 10047 on connect\n" +
      dropped,
    closed: true,
  },
  {
    name: "version without a value",
    sent: frameText(1, "open", "relp_version=\ncommands=syslog"),
    answer: "1 rsp 26 500 error 10021 on connect\n" + dropped,
    closed: true,
  },
  {
    name: "version that is no number",
    sent: frameText(1, "open", "relp_version=x\ncommands=syslog"),
    answer: "1 rsp 26 500 error 10021 on connect\n" + dropped,
    closed: true,
  },
  {
    name: "no commands offered",
    sent: frameText(1, "open", "relp_version=0"),
    answer: "1 rsp 44 500 required command not supported by client\n" + dropped,
    closed: true,
  },
  {
    name: "command syslog not offered",
    sent: frameText(1, "open", "relp_version=0\ncommands=telegraph"),
    answer: "1 rsp 44 500 required command not supported by client\n" + dropped,
    closed: true,
  },
];

/** Sends every case and returns what differs from the table. */
async function differences(port: number, of: "librelp" | "agent"): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const one of [...kept, ...ended]) {
    const expected = of === "agent" && one.agent !== undefined ? one.agent : one;
    const lastLine = expected.closed
      ? ""
      : expected.answer.slice(expected.answer.lastIndexOf("\n", expected.answer.length - 2) + 1);
    let seen: string;
    try {
      const { answer, closed } = await exchange(port, one.sent, lastLine, 5_000);
      seen = JSON.stringify({ answer: withoutOffers(answer), closed });
    } catch (error) {
      seen = (error as Error).message;
    }
    const wanted = JSON.stringify({ answer: expected.answer, closed: expected.closed });
    if (seen !== wanted) wrong.push(`${one.name}: wanted ${wanted}, saw ${seen}`);
  }
  return wrong;
}

/** Replaces the good answer to `open`, which names the software, by a word. */
function withoutOffers(answer: string): string {
  return answer.replace(/^(\d) rsp \d+ 200 OK\n(?:\w+=.*\n)+/m, "$1 rsp OPENED\n");
}

Deno.test({
  name: "imrelp answers odd and malformed frames as the table says",
  ...needs("rsyslogd"),
  fn: async () => {
    await using server = await startRelpServer();
    deepStrictEqual(await differences(server.port, "librelp"), []);
  },
});

Deno.test("agent collect answers odd and malformed frames as librelp does, and keeps what it acknowledged", async () => {
  await using collector = await startCollector();
  deepStrictEqual(await differences(collector.port, "agent"), []);
  const text = collector.text();
  strictEqual(
    text.split("still here\n").length - 1,
    kept.length,
    "a message behind each case that keeps the connection",
  );
  match(text, /<13>a\\nb|<13>a#012b/, "an LF inside is escaped: one record, one line");
  strictEqual(text.includes("too early"), false, "what came before open was refused and must not be kept");
});

Deno.test("agent collect takes frames octet by octet", async () => {
  await using collector = await startCollector();
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: collector.port });
  connection.setNoDelay(true);
  for (const octet of latin1(openFrame + good + "3 close 0\n")) await connection.write(Uint8Array.of(octet));
  const answer = withoutOffers(await readAll(connection));
  strictEqual(answer, opened + ok(2) + "3 rsp 0\n" + dropped);
});

Deno.test("agent collect refuses commands in a hint (transaction 0), which imrelp would obey", async () => {
  await using collector = await startCollector();
  const { answer, closed } = await exchange(collector.port, openFrame + frameText(0, "syslog", "<13>hint"), "");
  strictEqual(closed, true);
  strictEqual(withoutOffers(answer), opened + dropped);
  strictEqual(collector.text().includes("hint"), false);
});

Deno.test("agent collect cuts a message of 999,999,999 octets at its limit without holding it", async () => {
  await using collector = await startCollector();
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: collector.port });
  await connection.write(latin1(openFrame + "2 syslog 999999999 "));
  const chunk = new Uint8Array(256 * 1024).fill(120);
  for (let i = 0; i < 400; i++) {
    for (let done = 0; done < chunk.length;) done += await connection.write(chunk.subarray(done));
  }
  const { peakMiB } = collector.program.usage;
  connection.close();
  isTrue(peakMiB < 160, `100 MiB came in, and the peak is ${peakMiB} MiB`);
  strictEqual((await exchange(collector.port, openFrame + next(2), "2 rsp 6 200 OK\n")).closed, false);
});

async function readAll(connection: Deno.TcpConn): Promise<string> {
  return await new Response(connection.readable).text();
}
