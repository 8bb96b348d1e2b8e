/** Our requests and certificates, held against `@peculiar/x509`, which shares no code with them. */
import "reflect-metadata";
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import * as oracle from "@peculiar/x509";
import { parseAlternative } from "./alternatives.ts";
import { alternativesOf, usageOids, usagesOf } from "./extensions.ts";
import { describePublicKey, generateKey, keyTypes, publicKeyOf, readPrivateKey, verifySignature } from "./keys.ts";
import { formatName, parseName } from "./name.ts";
import { decodeAnyForm, decodePem, encodePem } from "./pem.ts";
import { decodeRequest, encodeRequest, isRequestSigned } from "./request.ts";

oracle.cryptoProvider.set(crypto);
const subject = parseName("C=GB,ST=London,O=Telent,OU=devices,CN=rotuer");
const alternatives = [parseAlternative("rotuer"), parseAlternative("192.0.2.7")];

Deno.test("encodeRequest() makes requests that the oracle verifies, for every kind of key", async () => {
  for (const type of keyTypes) {
    const key = readPrivateKey(await generateKey(type));
    const der = encodeRequest(key, { subject, alternatives, challenge: "secret" });
    const seen = new oracle.Pkcs10CertificateRequest(new Uint8Array(der));
    strictEqual(await seen.verify(), true, type);
    strictEqual(seen.subject, "C=GB, ST=London, O=Telent, OU=devices, CN=rotuer");
    deepStrictEqual([...seen.extensions].map((one) => one.type).sort(), ["2.5.29.15", "2.5.29.17", "2.5.29.37"]);
    const own = decodeRequest(der);
    strictEqual(isRequestSigned(own), true);
    deepStrictEqual(alternativesOf(own.extensions), alternatives);
    deepStrictEqual(usagesOf(own.extensions), [usageOids.clientAuth]);
    const bits = { "ec-p256": 256, "ec-p384": 384, "rsa-2048": 2048, "rsa-3072": 3072 }[type];
    strictEqual(describePublicKey(own.publicKey).bits, bits);
  }
});

Deno.test("encodeRequest() writes the challenge as PrintableString only where that can hold it", async () => {
  const key = readPrivateKey(await generateKey("ec-p256"));
  for (const [challenge, tag] of [["abc 123", "13"], ["p@ss_w*rd&x", "0c"], ["pässwörd", "0c"]] as const) {
    const der = encodeRequest(key, { subject, alternatives, challenge });
    const octets = new TextEncoder().encode(challenge);
    ok(der.toHex().includes(tag + octets.length.toString(16).padStart(2, "0") + octets.toHex()), challenge);
    strictEqual(decodeRequest(der).challenge, challenge);
  }
  throws(() => encodeRequest(key, { subject, alternatives, challenge: "" }), /empty/);
});

Deno.test("decodeRequest() reads what the oracle writes", async () => {
  const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  const made = await oracle.Pkcs10CertificateRequestGenerator.create({
    name: "O=Telent, CN=other",
    keys,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: [new oracle.SubjectAlternativeNameExtension([{ type: "dns", value: "other" }])],
    attributes: [new oracle.ChallengePasswordAttribute("printable")],
  });
  const seen = decodeRequest(new Uint8Array(made.rawData));
  strictEqual(formatName(seen.subject), "O=Telent,CN=other");
  strictEqual(seen.challenge, "printable");
  strictEqual(isRequestSigned(seen), true);
});

Deno.test("isRequestSigned() sees every changed octet of the signed part; decodeRequest() never reads past the end", async () => {
  const key = readPrivateKey(await generateKey("ec-p256"));
  const der = encodeRequest(key, { subject, alternatives, challenge: "secret" });
  for (let i = 0; i < der.length; i++) {
    const changed = der.slice();
    changed[i]! ^= 0x01;
    let accepted = false;
    try {
      accepted = isRequestSigned(decodeRequest(changed));
    } catch (error) {
      ok(error instanceof Error);
    }
    strictEqual(accepted, false, `octet ${i}`);
    throws(() => decodeRequest(der.subarray(0, i)), Error, `cut at ${i}`);
  }
});

Deno.test("verifySignature() takes no weak digest and no other kind of key", async () => {
  const key = readPrivateKey(await generateKey("ec-p256"));
  const der = encodeRequest(key, { subject, alternatives });
  const { signedPart, signature, signatureAlgorithm, publicKey } = decodeRequest(der);
  strictEqual(verifySignature(publicKey, signatureAlgorithm, signedPart, signature), true);
  const ecdsaWithSha1 = Uint8Array.fromHex("06072a8648ce3d0401");
  strictEqual(verifySignature(publicKey, ecdsaWithSha1, signedPart, signature), false);
  const other = publicKeyOf(readPrivateKey(await generateKey("rsa-2048")));
  strictEqual(verifySignature(other, signatureAlgorithm, signedPart, signature), false);
});

Deno.test("decodeAnyForm() takes PEM, base64 and DER, and nothing else", async () => {
  const key = readPrivateKey(await generateKey("ec-p256"));
  const der = encodeRequest(key, { subject, alternatives });
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  for (
    const body of [
      der,
      text(der.toBase64()),
      text(encodePem("CERTIFICATE REQUEST", der)),
      text(`\n ${der.toBase64()}\r\n`),
    ]
  ) {
    deepStrictEqual([...decodeAnyForm(body, "CERTIFICATE REQUEST")], [...der]);
  }
  throws(() => decodeAnyForm(text("hello!"), "X"), /base64/);
  throws(() => decodeAnyForm(text(encodePem("PRIVATE KEY", der)), "CERTIFICATE REQUEST"), /no PEM block/);
  strictEqual(decodePem(encodePem("X", der).replace("END X", "END Y"), "X").length, 0);
});
