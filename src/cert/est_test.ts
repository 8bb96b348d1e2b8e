import { strictEqual, throws } from "node:assert/strict";
import { encodeInteger, encodeOid, sequence, setOf } from "../tls/der.ts";
import { keyTypeOfAttributes, operationUrl } from "./est.ts";
import { algorithmOids } from "./keys.ts";

Deno.test("operationUrl() goes below /.well-known/est, or below the path that is named", () => {
  const of = (base: string): string => operationUrl(new URL(base), "cacerts").href;
  strictEqual(of("https://ca.lab"), "https://ca.lab/.well-known/est/cacerts");
  strictEqual(
    of("https://ca.lab:8443/.well-known/est/devices/"),
    "https://ca.lab:8443/.well-known/est/devices/cacerts",
  );
});

Deno.test("keyTypeOfAttributes() finds the key that is asked for among other wishes", () => {
  const digest = encodeOid("1.2.840.10045.4.3.3");
  const ec = (curve: string): Uint8Array => sequence(encodeOid(algorithmOids.ecPublicKey), setOf(encodeOid(curve)));
  const rsa = (bits: number): Uint8Array =>
    sequence(encodeOid(algorithmOids.rsaEncryption), setOf(encodeInteger(bits)));
  strictEqual(keyTypeOfAttributes(sequence(digest, ec(algorithmOids.p384))), "ec-p384");
  strictEqual(keyTypeOfAttributes(sequence(ec(algorithmOids.p256))), "ec-p256");
  strictEqual(keyTypeOfAttributes(sequence(rsa(2048))), "rsa-2048");
  strictEqual(keyTypeOfAttributes(sequence(rsa(2049))), "rsa-3072");
  strictEqual(keyTypeOfAttributes(sequence(digest)), undefined);
  throws(() => keyTypeOfAttributes(sequence(rsa(4096))), { name: "RefusedError" });
  throws(() => keyTypeOfAttributes(sequence(ec("1.3.132.0.10"))), { name: "RefusedError" });
});
