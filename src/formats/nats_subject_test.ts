import { strictEqual } from "node:assert/strict";
import { complaintOfTemplate, renderSubject, templateForStream, tokenOf } from "./nats_subject.ts";

Deno.test("renderSubject() keeps what records say within one token each", () => {
  const values = { host: "a.example.net", program: "s h>*", source: "" };
  strictEqual(renderSubject("logs.{host}.{program}.{source}", values), "logs.a_example_net.s_h_._");
  strictEqual(tokenOf("\u0000\n"), "_");
});

Deno.test("templateForStream() makes subjects that the stream takes", () => {
  strictEqual(templateForStream(["logs.>"]), "logs.{host}.{program}");
  strictEqual(templateForStream(["a.*.b.*"]), "a.{host}.b.{program}");
  strictEqual(templateForStream(["a.*.>"]), "a.{host}.{program}.{source}");
  strictEqual(templateForStream(["all", "other.>"]), "all");
  strictEqual(templateForStream(["a.*.*.*.>"]), "a.{host}.{program}.{source}._");
});

Deno.test("complaintOfTemplate() tells what no server would take", () => {
  strictEqual(complaintOfTemplate("logs.{host}"), undefined);
  for (const bad of ["logs.*", "logs.>", "a..b", "", "a b", "{user}", "a.{"]) {
    strictEqual(typeof complaintOfTemplate(bad), "string", bad);
  }
});
