import { ok, strictEqual } from "node:assert/strict";
import { readTimeMs } from "./syslog_time.ts";

const nowMs = Date.UTC(2026, 10, 20, 12, 0, 0);

function iso(text: string, now = nowMs, zone: number | undefined = 0): string {
  const bytes = new TextEncoder().encode(text);
  const ms = readTimeMs(bytes, 0, bytes.length, now, zone);
  return Number.isNaN(ms) ? "none" : new Date(ms).toISOString();
}

Deno.test("readTimeMs() reads every form of time that senders use", () => {
  for (
    const [text, want] of [
      ["2026-11-20T19:32:47.948037+00:00", "2026-11-20T19:32:47.948Z"],
      ["2003-08-24T05:14:15.000003-07:00", "2003-08-24T12:14:15.000Z"],
      ["2026-02-28T23:30:00+05:30", "2026-02-28T18:00:00.000Z"],
      ["2026-11-20T19:32:47Z", "2026-11-20T19:32:47.000Z"],
      ["2026-11-20 19:32:47,5", "2026-11-20T19:32:47.500Z"],
      ["Nov  5 17:32:18", "2026-11-05T17:32:18.000Z"],
      ["Nov 5 17:32:18", "2026-11-05T17:32:18.000Z"],
      ["Mar  1 18:46:11.123", "2026-03-01T18:46:11.123Z"],
      ["Nov 20 2019 19:36:32", "2019-11-20T19:36:32.000Z"],
      ["Tue Nov 20 19:36:32 2018", "2018-11-20T19:36:32.000Z"],
      ["2018 Nov 20 19:36:32", "2018-11-20T19:36:32.000Z"],
      ["2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"],
    ] as const
  ) strictEqual(iso(text), want, text);
});

Deno.test("readTimeMs() puts a time without a year into the year that brings it nearest, at most a day ahead", () => {
  strictEqual(iso("Nov 21 11:59:59"), "2026-11-21T11:59:59.000Z");
  strictEqual(iso("Nov 21 12:00:01"), "2025-11-21T12:00:01.000Z");
  const newYear = Date.UTC(2027, 0, 1, 0, 0, 5);
  strictEqual(iso("Dec 31 23:59:59", newYear), "2026-12-31T23:59:59.000Z");
  const lastSecond = Date.UTC(2026, 11, 31, 23, 59, 55);
  strictEqual(iso("Jan  1 00:00:03", lastSecond), "2027-01-01T00:00:03.000Z");
  strictEqual(iso("Feb 29 10:00:00", Date.UTC(2028, 2, 1)), "2028-02-29T10:00:00.000Z");
  strictEqual(iso("Feb 29 10:00:00", Date.UTC(2029, 2, 1)), "2028-02-29T10:00:00.000Z");
});

Deno.test("readTimeMs() takes a time without a zone for one of the zone that is given", () => {
  strictEqual(iso("Nov  5 17:32:18", nowMs, 120), "2026-11-05T15:32:18.000Z");
  strictEqual(iso("2026-11-20 19:32:47", nowMs, -60), "2026-11-20T20:32:47.000Z");
  const local = new Date(2026, 10, 5, 17, 32, 18).toISOString();
  const bytes = new TextEncoder().encode("Nov  5 17:32:18");
  strictEqual(new Date(readTimeMs(bytes, 0, bytes.length, nowMs)).toISOString(), local);
});

Deno.test("readTimeMs() says NaN of what is no time", () => {
  for (
    const text of [
      "",
      "-",
      "2026-02-30T00:00:00Z",
      "2026-13-01T00:00:00Z",
      "2026-11-20T24:00:00Z",
      "2026-11-20T19:32Z",
      "Nov 31 10:00:00",
      "Foo 20 10:00:00",
      "Nov 20 10:00",
      "Nov 20 10:00:00x",
      "2026-11-20T19:32:47+0000",
      "Nov 20 10:61:00",
    ]
  ) ok(iso(text) === "none", text);
});
