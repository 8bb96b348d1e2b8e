import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import {
  decodeOid,
  decodeTime,
  definiteLengths,
  DerReader,
  encodeElement,
  encodeInteger,
  encodeNamedBits,
  encodeOid,
  encodeTime,
  readSingle,
  sequence,
  setOf,
  tags,
} from "./der.ts";

const hex = (bytes: Uint8Array): string => bytes.toHex();

Deno.test("encodeOid() and decodeOid() are inverse, also for arcs above 127 and roots above 39", () => {
  for (const oid of ["1.2.840.113549.1.9.7", "2.5.29.17", "2.999.3", "0.9.2342.19200300.100.1.25"]) {
    strictEqual(decodeOid(new DerReader(encodeOid(oid)).expect(tags.oid).content), oid);
  }
  strictEqual(hex(encodeOid("1.2.840.113549")), "06062a864886f70d");
  throws(() => encodeOid("1.x"), /no object identifier/);
});

Deno.test("encodeInteger() is never negative and has no needless octets", () => {
  strictEqual(hex(encodeInteger(0)), "020100");
  strictEqual(hex(encodeInteger(128)), "02020080");
  strictEqual(hex(encodeInteger(Uint8Array.of(0, 0, 0xff))), "020200ff");
});

Deno.test("encodeNamedBits() writes no trailing zeros", () => {
  strictEqual(hex(encodeNamedBits([0])), "03020780");
  strictEqual(hex(encodeNamedBits([5, 6])), "03020106");
});

Deno.test("encodeTime() and decodeTime() are inverse on both sides of 2050", () => {
  for (const text of ["2026-11-20T21:48:11Z", "2049-12-31T23:59:59Z", "2050-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]) {
    const epochMs = Date.parse(text);
    const element = new DerReader(encodeTime(epochMs)).next();
    strictEqual(decodeTime(element), epochMs, text);
    strictEqual(element.tag, text < "2050" ? tags.utcTime : tags.generalizedTime);
  }
});

Deno.test("setOf() sorts as DER demands", () => {
  strictEqual(hex(setOf(encodeInteger(3), encodeInteger(1))), "3106020101020103");
});

Deno.test("DerReader refuses what is not DER", () => {
  const bad: Readonly<Record<string, string>> = {
    "cut short": "3005020101",
    "no length": "30",
    "length without end": "30800000",
    "length that is not minimal": "308103020101",
    "length with a leading zero": "30820003020101",
    "length of five octets": "308500000000010000",
    "tag of several octets": "1f810100",
  };
  for (const [name, text] of Object.entries(bad)) throws(() => readSingle(Uint8Array.fromHex(text)), /not/, name);
  throws(() => readSingle(Uint8Array.fromHex("300000")), /left over/);
});

Deno.test("definiteLengths() turns BER without lengths into DER, and leaves DER as it is", () => {
  const der = sequence(encodeInteger(1), encodeElement(tags.octetString, Uint8Array.of(1, 2, 3, 0x80)));
  deepStrictEqual(definiteLengths(der), der);
  const ber = Uint8Array.fromHex("3080" + "020101" + "2480" + "0401010403020380" + "0000" + "0000");
  strictEqual(hex(definiteLengths(ber)), hex(der));
  throws(() => definiteLengths(Uint8Array.fromHex("3080020101")), /BER/);
  throws(() => definiteLengths(new Uint8Array(400).fill(0x30).map((_, i) => (i % 2 === 0 ? 0x30 : 0x80))), /deep/);
});
