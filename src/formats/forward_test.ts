import { strictEqual } from "node:assert/strict";
import { forwardHeader } from "./forward.ts";

const origin = {
  source: "s",
  host: "router1",
  program: "kubelet",
  priority: 134,
  form: "plain",
  readAtMs: Date.UTC(2026, 10, 20, 20, 30, 0, 123),
} as const;
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

Deno.test("forwardHeader() writes RSYSLOG_ForwardFormat, with one space before the message", () => {
  const { beforeText, beforeSpace } = forwardHeader(origin);
  strictEqual(text(beforeText), "<134>2026-11-20T20:30:00.123000+00:00 router1 kubelet: ");
  strictEqual(text(beforeSpace), "<134>2026-11-20T20:30:00.123000+00:00 router1 kubelet:");
});

Deno.test("forwardHeader() keeps odd names inside their fields, and cuts the tag at 32 characters", () => {
  const odd = forwardHeader({ ...origin, host: "", program: "my prog\nram" });
  strictEqual(text(odd.beforeText), "<134>2026-11-20T20:30:00.123000+00:00 - my_prog_ram: ");
  const long = text(forwardHeader({ ...origin, program: "p".repeat(50) }).beforeText);
  strictEqual(long.split(" ")[2], "p".repeat(32));
});

Deno.test("forwardHeader() adds nothing to records that have a header", () => {
  strictEqual(forwardHeader({ ...origin, form: "syslog" }).beforeText.length, 0);
});
