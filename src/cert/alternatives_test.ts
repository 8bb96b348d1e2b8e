import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import {
  alternativeOfCommonName,
  decodeAlternatives,
  encodeAlternatives,
  formatAlternative,
  includesAlternatives,
  parseAlternative,
} from "./alternatives.ts";

Deno.test("parseAlternative() reads all kinds and brings them into one form", () => {
  const wanted: Readonly<Record<string, string>> = {
    "Router.LAB": "DNS:router.lab",
    "dns:a.lab": "DNS:a.lab",
    "192.0.2.7": "IP:192.0.2.7",
    "IP:2001:DB8:0:0::1": "IP:2001:db8::1",
    "::ffff:192.0.2.7": "IP:::ffff:c000:207",
    "email:a@b.lab": "email:a@b.lab",
    "URI:urn:x": "URI:urn:x",
  };
  for (const [text, form] of Object.entries(wanted)) {
    const one = parseAlternative(text);
    strictEqual(formatAlternative(one), form);
    deepStrictEqual(decodeAlternatives(encodeAlternatives([one])), [one]);
  }
  for (const text of ["a b", "IP:1.2.3", "DNS:", "email:a b", "DNS:-a", "DNS:ä.lab", "IP:fe80::1%eth0"]) {
    throws(() => parseAlternative(text), Error, text);
  }
});

Deno.test("decodeAlternatives() refuses names with hidden octets and empty lists", () => {
  for (const text of ["3005820361006c", "3000", "3005870301020300"]) {
    throws(() => decodeAlternatives(Uint8Array.fromHex(text)), Error, text);
  }
});

Deno.test("alternativeOfCommonName() takes names and addresses, nothing else", () => {
  deepStrictEqual(alternativeOfCommonName("Rotuer"), { kind: "DNS", value: "rotuer" });
  deepStrictEqual(alternativeOfCommonName("10.0.0.1"), { kind: "IP", value: "10.0.0.1" });
  strictEqual(alternativeOfCommonName("router of Ann"), undefined);
});

Deno.test("includesAlternatives() compares kind and value", () => {
  const given = ["DNS:a.lab", "IP:10.0.0.1"].map(parseAlternative);
  strictEqual(includesAlternatives(given, [parseAlternative("DNS:A.lab")]), true);
  strictEqual(includesAlternatives(given, [parseAlternative("URI:a.lab")]), false);
});
