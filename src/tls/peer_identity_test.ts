import { deepStrictEqual, throws } from "node:assert/strict";
import { contextTag, encodeElement, encodeInteger, encodeOid, encodeString, sequence, setOf, tags } from "./der.ts";
import { peerIdentity } from "./peer_identity.ts";

const octets = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const common = (name: string): Uint8Array => setOf(sequence(encodeOid("2.5.4.3"), encodeString(tags.utf8String, name)));
const organisation = (name: string): Uint8Array =>
  setOf(sequence(encodeOid("2.5.4.10"), encodeString(tags.utf8String, name)));
const dns = (name: string): Uint8Array => encodeElement(contextTag(2, false), octets(name));
const mail = (name: string): Uint8Array => encodeElement(contextTag(1, false), octets(name));
const uri = (name: string): Uint8Array => encodeElement(contextTag(6, false), octets(name));
const ip = (...address: readonly number[]): Uint8Array => encodeElement(contextTag(7, false), Uint8Array.from(address));

/** The parts of a certificate that are read; whether it is signed is not this module's question. */
function certificate(subject: readonly Uint8Array[], ...lists: readonly (readonly Uint8Array[])[]): Uint8Array {
  const extensions = lists.map((names) =>
    sequence(encodeOid("2.5.29.17"), encodeElement(tags.octetString, sequence(...names)))
  );
  const nothing = sequence();
  return sequence(
    sequence(
      encodeElement(contextTag(0), encodeInteger(2)),
      encodeInteger(1),
      nothing,
      nothing,
      nothing,
      sequence(...subject),
      nothing,
      ...(extensions.length === 0 ? [] : [encodeElement(contextTag(3), sequence(...extensions))]),
    ),
    nothing,
    encodeElement(tags.bitString, Uint8Array.of(0)),
  );
}

Deno.test("peerIdentity() takes DNS names and addresses of the SAN, and the CN only where there is no SAN", () => {
  const all = [
    dns("a.lab"),
    mail("b.lab"),
    uri("c.lab"),
    ip(10, 0, 0, 1),
    ip(0x20, 1, 13, 184, ...Array(11).fill(0), 1),
  ];
  deepStrictEqual(peerIdentity(certificate([common("cn.lab")], all)).names, ["a.lab", "10.0.0.1", "2001:db8::1"]);
  deepStrictEqual(peerIdentity(certificate([common("cn.lab")])).names, ["cn.lab"]);
  deepStrictEqual(peerIdentity(certificate([common("cn.lab")], [mail("cn.lab")])).names, []);
});

Deno.test("peerIdentity() never makes two names of one, nor a shorter one", () => {
  for (const name of ["evil.lab, DNS:good.lab", "good.lab\0.evil.lab", "good.lab evil", "good.lab\n", ""]) {
    deepStrictEqual(peerIdentity(certificate([], [dns(name)])).names, [], name);
    deepStrictEqual(peerIdentity(certificate([common(name)])).names, [], name);
  }
  deepStrictEqual(peerIdentity(certificate([organisation("CN=good.lab")])).names, []);
  deepStrictEqual(peerIdentity(certificate([organisation("x,CN=good.lab"), common("a.lab")])).names, ["a.lab"]);
  deepStrictEqual(peerIdentity(certificate([common("good.lab"), common("evil.lab")])).names, []);
});

Deno.test("peerIdentity() refuses two lists of names, and what is no certificate", () => {
  throws(() => peerIdentity(certificate([], [dns("a.lab")], [dns("b.lab")])), /two lists/);
  throws(() => peerIdentity(Uint8Array.of(1, 2, 3)));
  throws(() => peerIdentity(certificate([]).subarray(1)));
});
