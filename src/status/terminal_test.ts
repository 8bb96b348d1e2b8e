import { doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { someSink, someSource, someState } from "../../test/peers/agent_state.ts";
import { formatState, formatTailRecord } from "./terminal.ts";

const bare = { colour: false, width: 0 };

Deno.test("formatState() shows verdict, rates and columns", () => {
  const nowMs = Date.UTC(2026, 0, 2);
  const at = (ms: number, records: number): ReturnType<typeof someState> =>
    someState({
      nowMs: nowMs + ms,
      startMs: nowMs - 3_600_000,
      sources: [someSource("messages", { received: { records, bytes: 2_048 }, lastRecordMs: nowMs + ms })],
      sinks: [someSink("loghost", { delivered: { records, bytes: 2_048 } }), someSink("b")],
    });
  const lines = formatState(at(2_000, 300), at(0, 100), bare).split("\n");
  match(lines[0]!, /^All logs leave this machine · router1 · agent ship 1\.2\.3, up 1h 0m$/);
  match(lines[2]!, /^SINK {5}TO {29}REC\/S {2}DELIVERED {2}HELD/);
  match(lines[3]!, /^loghost {2}relp loghost\.example\.net:2514 {4}100 {8}300 {5}0 {4}0 {8}0 {2}up$/);
  match(lines[4]!, /^b {8}relp loghost\.example\.net:2514 {6}0 {10}0/);
  match(lines.at(-2)!, /^messages {2}file {4}100 {7}300 {2}2KiB {16}0 {2}0s ago {2}reads$/);
});

Deno.test("formatState() knows no rate from one look, and fits the terminal", () => {
  const text = formatState(someState(), undefined, { colour: false, width: 40 });
  match(text, /–/);
  ok(text.split("\n").every((line) => line.length <= 40));
});

Deno.test("formatState() and formatTailRecord() let nothing command the terminal", () => {
  const evil = "\x1b]0;owned\x07\x9b31m\u202egpj\r\n";
  const state = someState({
    hostname: evil,
    sources: [someSource(evil, { error: evil })],
    sinks: [someSink(evil, { target: evil, lastError: evil, up: false })],
  });
  // deno-lint-ignore no-control-regex -- this is the test
  const commands = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/;
  doesNotMatch(formatState(state, undefined, bare), commands);
  const record = { source: "a", timeMs: 1e99, host: evil, program: evil, severity: 3, message: evil, skipped: 2 };
  const line = formatTailRecord(record, bare);
  doesNotMatch(line, commands);
  strictEqual(line.split("\n").length, 3); // what was skipped, and the record
});

Deno.test("formatState() colours the verdict where it is asked to", () => {
  const red = formatState(someState({ sinks: [someSink("a", { up: false })] }), undefined, { colour: true, width: 0 });
  ok(red.startsWith("\x1b[1;31mNo logs leave this machine\x1b[0m"));
});
