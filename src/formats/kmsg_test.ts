import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { parseKernelRecord } from "./kmsg.ts";

const parse = (text: string) => parseKernelRecord(new TextEncoder().encode(text));

Deno.test("parseKernelRecord() reads header, text and dictionary", () => {
  deepStrictEqual(parse("6,339,5140900,-,caller=T1;NET: Registered; family 10\n SUBSYSTEM=net\n DEVICE=n1\n"), {
    priority: 6,
    sequence: 339,
    timeUs: 5140900,
    text: "NET: Registered; family 10",
    fields: { SUBSYSTEM: "net", DEVICE: "n1" },
  });
});

Deno.test("parseKernelRecord() undoes escapes of letters and keeps those of control characters", () => {
  strictEqual(parse("12,1,0,-;f\\xc3\\xbcr\\x0aC:\\x5cx\n")?.text, "für\\x0aC:\\x");
  deepStrictEqual(parse("12,1,0,-;t\n NAME=f\\xc3\\xbcr\n")?.fields, { NAME: "für" });
});

Deno.test("parseKernelRecord() knows what is no record", () => {
  for (const text of ["", "hello", "6,1;x", "6,1,2;x"]) strictEqual(parse(text), undefined, text);
});
