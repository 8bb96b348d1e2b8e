import { ok, strictEqual } from "node:assert/strict";
import { readSyslogHeader, SyslogHeader } from "./syslog.ts";
import { encodeElement, encodeSyslogHeader, type SyslogFields, type SyslogForm } from "./syslog_encode.ts";
import { readTimeMs } from "./syslog_time.ts";

const decoder = new TextDecoder();
const fields: SyslogFields = {
  priority: 30,
  timeMs: Date.UTC(2026, 10, 5, 20, 30, 0, 123),
  host: "router1",
  program: "kubelet",
};

function header(form: SyslogForm, change: Partial<SyslogFields> = {}): string {
  return decoder.decode(encodeSyslogHeader(form, { ...fields, ...change }));
}

Deno.test("encodeSyslogHeader() writes all three forms", () => {
  strictEqual(header("forward"), "<30>2026-11-05T20:30:00.123000+00:00 router1 kubelet: ");
  strictEqual(header("rfc3164"), "<30>Nov  5 20:30:00 router1 kubelet: ");
  strictEqual(header("rfc5424"), "<30>1 2026-11-05T20:30:00.123Z router1 kubelet - - - ");
  strictEqual(header("forward", { procid: "7" }), "<30>2026-11-05T20:30:00.123000+00:00 router1 kubelet[7]: ");
  strictEqual(
    header("rfc5424", { procid: "7", msgid: "m", data: encodeElement("a@1", { b: "c" }) }),
    '<30>1 2026-11-05T20:30:00.123Z router1 kubelet 7 m [a@1 b="c"] ',
  );
});

Deno.test("encodeSyslogHeader() makes everything fit", () => {
  strictEqual(
    header("forward", { program: "a".repeat(60) }),
    `<30>2026-11-05T20:30:00.123000+00:00 router1 ${"a".repeat(32)} `,
  );
  strictEqual(header("rfc5424", { timeMs: NaN, host: "", program: "" }), "<30>1 - - - - - - ");
  strictEqual(header("rfc5424", { host: "a b\nc", program: "ü" }), "<30>1 2026-11-05T20:30:00.123Z a_b_c _ - - - ");
  strictEqual(header("rfc3164", { timeMs: Infinity }), "<30>Jan  1 00:00:00 router1 kubelet: ");
});

Deno.test("encodeElement() escapes values and lets nothing break out", () => {
  strictEqual(encodeElement("m@1", { a: 'x"y]z\\', 'b =]"': "1\n2" }), '[m@1 a="x\\"y\\]z\\\\" b____="1 2"]');
});

Deno.test("encodeSyslogHeader() is read back by readSyslogHeader()", () => {
  for (const form of ["forward", "rfc3164", "rfc5424"] as const) {
    const bytes = new TextEncoder().encode(header(form, { procid: "12" }) + "message: text");
    const parsed = new SyslogHeader();
    ok(readSyslogHeader(bytes, 0, bytes.length, parsed));
    const text = (start: number, end: number): string => decoder.decode(bytes.subarray(start, end));
    strictEqual(parsed.priority, 30);
    strictEqual(text(parsed.hostStart, parsed.hostEnd), "router1");
    strictEqual(text(parsed.programStart, parsed.programEnd), "kubelet");
    strictEqual(text(parsed.procidStart, parsed.procidEnd), "12");
    strictEqual(text(parsed.messageStart, parsed.messageEnd), "message: text");
    const timeMs = readTimeMs(bytes, parsed.timeStart, parsed.timeEnd, fields.timeMs, 0);
    strictEqual(timeMs, form === "rfc3164" ? fields.timeMs - 123 : fields.timeMs);
  }
});
