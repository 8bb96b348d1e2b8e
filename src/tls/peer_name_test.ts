import { match, strictEqual } from "node:assert/strict";
import { matchesFingerprint, matchesName, refusalOfPeer } from "./peer_name.ts";

const identity = { names: ["Relp-Client.lab"], sha1: "5C:C6:00", sha256: "AA:BB:CC:DD" };

Deno.test("matchesName() compares label by label, without case", () => {
  for (
    const [pattern, name] of [
      ["relp.lab", "RELP.lab"],
      ["*.lab", "a.lab"],
      ["web-*.lab", "web-1.lab"],
      ["*-1.lab", "web-1.lab"],
      ["a.lab.", "a.lab"],
      ["*", "router"],
    ] as const
  ) {
    strictEqual(matchesName(pattern, name), true, `${pattern} ${name}`);
  }
  for (
    const [pattern, name] of [
      ["*.lab", "a.b.lab"],
      ["*.lab", ".lab"],
      ["*", "a.lab"],
      ["a.lab", "*.lab"],
      ["web-*.lab", "*.lab"],
      ["*x*.lab", "axb.lab"],
      ["relp.lab", "relp.lab.evil"],
    ] as const
  ) {
    strictEqual(matchesName(pattern, name), false, `${pattern} ${name}`);
  }
});

Deno.test("matchesFingerprint() takes both digests with and without colons, and nothing shorter", () => {
  for (const text of ["SHA1:5C:C6:00", "sha1:5cc600", "SHA256:AABBCCDD"]) {
    strictEqual(matchesFingerprint(text, identity), true, text);
  }
  for (const text of ["SHA1:5C:C6", "5CC600", "SHA256:5CC600", "MD5:5CC600", "SHA1:"]) {
    strictEqual(matchesFingerprint(text, identity), false, text);
  }
  strictEqual(matchesFingerprint("SHA1::", { names: [], sha1: "", sha256: "" }), false);
});

Deno.test("refusalOfPeer() names what was presented and what is permitted", () => {
  strictEqual(refusalOfPeer(identity, "name", ["relp-client.lab"]), undefined);
  strictEqual(refusalOfPeer(identity, "certvalid", []), undefined);
  match(refusalOfPeer(identity, "name", ["other.lab"]) ?? "", /presents Relp-Client.lab; permitted: other.lab/);
  match(refusalOfPeer(identity, "name", []) ?? "", /nobody/);
  match(refusalOfPeer(identity, "fingerprint", ["SHA1:00"]) ?? "", /SHA256:AA:BB/);
});
