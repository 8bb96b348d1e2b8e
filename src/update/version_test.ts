import { ok, strictEqual, throws } from "node:assert/strict";
import { compareVersions } from "./version.ts";

Deno.test("compareVersions() orders releases and pre-releases", () => {
  const rising = [
    "0.9.9",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0",
    "1.0.10",
  ];
  for (let i = 1; i < rising.length; i++) {
    ok(compareVersions(rising[i - 1]!, rising[i]!) < 0, `${rising[i - 1]} < ${rising[i]}`);
    ok(compareVersions(rising[i]!, rising[i - 1]!) > 0, `${rising[i]} > ${rising[i - 1]}`);
  }
  strictEqual(compareVersions("v1.2.3+build", "1.2.3"), 0);
  throws(() => compareVersions("new", "1.2.3"), /not like 1\.2\.3/);
});
