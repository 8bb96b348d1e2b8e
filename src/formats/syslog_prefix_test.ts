import { strictEqual } from "node:assert/strict";
import { type Batch, batchOfLines, type Origin } from "../pipeline/batch.ts";
import type { SyslogForm } from "./syslog_encode.ts";
import { SyslogPrefix } from "./syslog_prefix.ts";

const origin: Origin = {
  source: "s",
  host: "router1",
  program: "kubelet",
  priority: 30,
  form: "plain",
  readAtMs: Date.UTC(2026, 10, 20, 20, 30),
};

function whole(form: SyslogForm, line: string, given: Partial<Origin> = {}): string {
  const batch: Batch = batchOfLines(["first", line], { ...origin, ...given });
  const prefix = new SyslogPrefix(form);
  prefix.find(batch, 0);
  prefix.find(batch, 1);
  const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return decode(prefix.bytes) + decode(batch.bytes.subarray(prefix.start, prefix.end));
}

Deno.test("SyslogPrefix.find() gives plain records the header of their origin", () => {
  strictEqual(whole("rfc5424", "text"), "<30>1 2026-11-20T20:30:00.000Z router1 kubelet - - - text");
  strictEqual(whole("rfc3164", "text"), "<30>Nov 20 20:30:00 router1 kubelet: text");
  strictEqual(whole("rfc3164", " text"), "<30>Nov 20 20:30:00 router1 kubelet: text");
  strictEqual(whole("forward", "text"), "<30>2026-11-20T20:30:00.000000+00:00 router1 kubelet: text");
});

Deno.test("SyslogPrefix.find() keeps a header of the wanted form and writes any other anew", () => {
  const forwarded = "<134>2026-11-20T19:32:47.948+00:00 r2 su[8]: message";
  const modern = '<165>1 2026-11-20T19:32:47.500Z r3 app 812 ID47 [m a="b"] message';
  const own = { form: "syslog" } as const;
  strictEqual(whole("forward", forwarded, own), forwarded);
  strictEqual(whole("forward", modern, own), modern);
  strictEqual(whole("rfc5424", modern, own), modern);
  strictEqual(whole("rfc5424", forwarded, own), "<134>1 2026-11-20T19:32:47.948Z r2 su 8 - - message");
  strictEqual(whole("rfc3164", forwarded, own), "<134>Nov 20 19:32:47 r2 su[8]: message");
  strictEqual(whole("rfc3164", modern, own), "<165>Nov 20 19:32:47 r3 app[812]: message");
  strictEqual(whole("rfc5424", "no header", own).slice(0, 4), "<30>");
});
