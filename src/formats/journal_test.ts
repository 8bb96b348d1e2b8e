import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { encodeJournalHeader, entriesBetween, type JournalEntry, parseJournalEntry } from "./journal.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (octets: Uint8Array) => new TextDecoder().decode(octets);

function parsed(fields: Record<string, unknown>): JournalEntry {
  const entry = parseJournalEntry(bytes(JSON.stringify({ __CURSOR: "s=a;i=1;b=c", ...fields })));
  if (entry === undefined) throw new Error("no entry");
  return entry;
}

Deno.test("parseJournalEntry() reads priority, facility, program, pid, host and time", () => {
  deepStrictEqual(
    parsed({
      __REALTIME_TIMESTAMP: "1700000000123456",
      PRIORITY: "3",
      SYSLOG_FACILITY: "4",
      SYSLOG_IDENTIFIER: "sshd",
      _COMM: "sshd-session",
      _PID: "812",
      _HOSTNAME: "router1",
      MESSAGE: "grüß\nGott",
    }),
    {
      cursor: "s=a;i=1;b=c",
      realtimeUs: 1_700_000_000_123_456,
      priority: 35,
      program: "sshd",
      pid: "812",
      host: "router1",
      message: bytes("grüß\nGott"),
    },
  );
});

Deno.test("parseJournalEntry() takes messages of octets, of several values and none at all", () => {
  deepStrictEqual(parsed({ MESSAGE: [27, 91, 255, 0] }).message, new Uint8Array([27, 91, 255, 0]));
  strictEqual(text(parsed({ MESSAGE: ["one", [116, 119, 111], "three"] }).message), "one\ntwo\nthree");
  strictEqual(parsed({ MESSAGE: null }).message.length, 0);
  strictEqual(parsed({ MESSAGE: [] }).message.length, 0);
  strictEqual(parsed({ _COMM: ["a", "b"] }).program, "a");
  strictEqual(parsed({ SYSLOG_IDENTIFIER: [99, 97, 116] }).program, "cat");
});

Deno.test("parseJournalEntry() uses user.notice for what is absent or impossible", () => {
  strictEqual(parsed({}).priority, 13);
  strictEqual(parsed({ PRIORITY: "8", SYSLOG_FACILITY: "-1" }).priority, 13);
  strictEqual(parsed({ PRIORITY: "0", SYSLOG_FACILITY: "0" }).priority, 0);
});

Deno.test("parseJournalEntry() gives undefined for what is no entry", () => {
  for (const line of ["", "{", "[]", "null", "7", "{}", '{"__CURSOR":7}', '{"__CURSOR":""}', "\xff"]) {
    strictEqual(parseJournalEntry(bytes(line)), undefined, line);
  }
});

Deno.test("encodeJournalHeader() keeps the microseconds, and leaves out a pid that does not fit the tag", () => {
  const entry = parsed({
    __REALTIME_TIMESTAMP: "1700000000123456",
    PRIORITY: "6",
    SYSLOG_FACILITY: "3",
    _COMM: "cron",
    _PID: "7",
  });
  strictEqual(text(encodeJournalHeader(entry, "h")), "<30>2023-11-14T22:13:20.123456+00:00 h cron[7]: ");
  const long = { ...entry, program: "systemd-networkd-wait-online", pid: "1234", host: "own" };
  strictEqual(
    text(encodeJournalHeader(long, "h")),
    "<30>2023-11-14T22:13:20.123456+00:00 own systemd-networkd-wait-online: ",
  );
  const unknown = { ...entry, program: "", pid: "", realtimeUs: 0 };
  strictEqual(text(encodeJournalHeader(unknown, "h")), "<30>1970-01-01T00:00:00.000000+00:00 h unknown: ");
});

Deno.test("entriesBetween() counts within one journal only", () => {
  strictEqual(entriesBetween("s=a;i=9;b=1", "s=a;i=a;b=1"), 0);
  strictEqual(entriesBetween("s=a;i=9;b=1", "s=a;i=1f;b=2"), 21);
  strictEqual(entriesBetween("s=a;i=9;b=1", "s=b;i=1f;b=2"), undefined);
  strictEqual(entriesBetween("garbage", "s=b;i=1f;b=2"), undefined);
});
