import { strictEqual, throws } from "node:assert/strict";
import { facilityName, parseFacility, parseSeverity, severityName } from "./priority.ts";

Deno.test("parseSeverity() takes numbers and every usual name", () => {
  for (
    const [value, number] of [[0, 0], [7, 7], ["4", 4], ["warning", 4], ["WARN", 4], ["err", 3], ["crit", 2]] as const
  ) {
    strictEqual(parseSeverity(value), number, String(value));
  }
  strictEqual(severityName(parseSeverity("emerg")), "emergency");
});

Deno.test("parseFacility() takes numbers and names", () => {
  strictEqual(parseFacility("authpriv"), 10);
  strictEqual(parseFacility("kernel"), 0);
  strictEqual(parseFacility(23), 23);
  strictEqual(facilityName(16), "local0");
});

Deno.test("parseSeverity() and parseFacility() say what is allowed", () => {
  for (const value of [8, -1, 1.5, "", "loud", "constructor"]) {
    throws(() => parseSeverity(value), /is no severity; write/);
  }
  for (const value of [24, -1, "local8"]) throws(() => parseFacility(value), /is no facility; write/);
});
