import "reflect-metadata";
import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import * as oracle from "@peculiar/x509";
import { parseAlternative } from "./alternatives.ts";
import { encodeCertificate, keyIdentifiers, newSerial } from "./authority/encode.ts";
import { type Certificate, decodeCertificate, titleOf } from "./certificate.ts";
import { ClockError } from "./errors.ts";
import { encodeBasicConstraints, encodeExtension, encodeUsages, extensionOids, usageOids } from "./extensions.ts";
import { generateKey, publicKeyOf, readPrivateKey } from "./keys.ts";
import { encodeName, parseName } from "./name.ts";
import { decodeCertsOnly, encodeCertsOnly } from "./pkcs7.ts";
import { checkClock, type Expectation, verifyAnswer } from "./verify.ts";
import { encodeAlternatives } from "./alternatives.ts";

oracle.cryptoProvider.set(crypto);
const nowMs = Date.parse("2026-11-20T12:00:00Z");
const dayMs = 86_400_000;
const keys = {
  root: readPrivateKey(await generateKey("ec-p256")),
  middle: readPrivateKey(await generateKey("ec-p384")),
  leaf: readPrivateKey(await generateKey("ec-p256")),
  other: readPrivateKey(await generateKey("rsa-2048")),
};

interface Wish {
  readonly subject?: string;
  readonly issuer?: string;
  readonly key?: keyof typeof keys;
  readonly by?: keyof typeof keys;
  readonly fromMs?: number;
  readonly untilMs?: number;
  readonly ca?: { ca: boolean; pathLength?: number };
  readonly usages?: readonly string[];
  readonly names?: readonly string[];
}

function make(wish: Wish): Certificate {
  const { subject = "CN=rotuer", issuer = "CN=root", key = "leaf", by = "root", ca = { ca: false } } = wish;
  return decodeCertificate(encodeCertificate({
    serial: newSerial(),
    issuerDer: encodeName(parseName(issuer)),
    subjectDer: encodeName(parseName(subject)),
    notBeforeMs: wish.fromMs ?? nowMs - dayMs,
    notAfterMs: wish.untilMs ?? nowMs + dayMs,
    publicKey: publicKeyOf(keys[key]),
    extensions: [
      encodeExtension(extensionOids.basicConstraints, true, encodeBasicConstraints(ca)),
      ...(wish.usages === undefined
        ? []
        : [encodeExtension(extensionOids.extendedKeyUsage, false, encodeUsages(wish.usages))]),
      encodeExtension(
        extensionOids.subjectAltName,
        false,
        encodeAlternatives((wish.names ?? ["rotuer"]).map(parseAlternative)),
      ),
      ...keyIdentifiers(publicKeyOf(keys[key]), publicKeyOf(keys[by])),
    ],
  }, keys[by]));
}

const root = make({ subject: "CN=root", key: "root", ca: { ca: true, pathLength: 1 } });
const middle = make({ subject: "CN=middle", key: "middle", ca: { ca: true, pathLength: 0 } });
const expected: Expectation = {
  publicKey: publicKeyOf(keys.leaf),
  subject: parseName("CN=rotuer"),
  alternatives: [parseAlternative("rotuer")],
  anchors: [root],
  nowMs,
};

Deno.test("encodeCertificate() makes certificates that the oracle verifies", async () => {
  for (const by of ["root", "middle", "other"] as const) {
    const seen = new oracle.X509Certificate(new Uint8Array(make({ by }).raw));
    const spki = await new oracle.PublicKey(new Uint8Array(publicKeyOf(keys[by]))).export();
    strictEqual(await seen.verify({ publicKey: spki, signatureOnly: true }), true, by);
  }
});

Deno.test("verifyAnswer() accepts a leaf of an anchor, and brings a chain through intermediates into order", () => {
  const leaf = make({});
  deepStrictEqual(verifyAnswer([leaf], expected), [leaf]);
  deepStrictEqual(verifyAnswer([leaf], { ...expected, anchors: [middle, root] }), [leaf]);
  const deep = make({ issuer: "CN=middle", by: "middle", usages: [usageOids.clientAuth] });
  deepStrictEqual(verifyAnswer([root, middle, deep], expected).map(titleOf), [deep, middle].map(titleOf));
});

Deno.test("verifyAnswer() refuses each thing that is wrong, with its name", () => {
  const wrong: readonly (readonly [Wish, RegExp])[] = [
    [{ key: "other" }, /not for our key/],
    [{ by: "other" }, /did not sign it/],
    [{ issuer: "CN=nobody" }, /"CN=nobody" did not sign it/],
    [{ untilMs: nowMs - 1_000 }, /expired on 2026-11-20/],
    [{ usages: [usageOids.serverAuth] }, /not for TLS clients/],
    [{ ca: { ca: true } }, /a CA's/],
    [{ subject: "CN=other" }, /its CN is "other", and "rotuer"/],
    [{ names: ["other"] }, /not good for DNS:rotuer/],
  ];
  for (const [wish, pattern] of wrong) throws(() => verifyAnswer([make(wish)], expected), pattern);
  throws(() => verifyAnswer([make({ issuer: "CN=middle", by: "middle" })], expected), /did not sign it/);
});

Deno.test("verifyAnswer() lets nobody sign who is no CA, or too deep below one", () => {
  const impostor = make({ subject: "CN=middle", key: "middle" });
  const leaf = make({ issuer: "CN=middle", by: "middle" });
  throws(() => verifyAnswer([leaf, impostor], expected), /did not sign it/);
  const second = make({ subject: "CN=second", key: "other", issuer: "CN=middle", by: "middle", ca: { ca: true } });
  const deep = make({ issuer: "CN=second", by: "other" });
  throws(() => verifyAnswer([deep, second, middle], expected), /did not sign it/, "pathLength 0 of middle");
  throws(
    () =>
      verifyAnswer(
        [leaf, make({ subject: "CN=middle", key: "middle", ca: { ca: true }, untilMs: nowMs - 1 })],
        expected,
      ),
    /expired/,
  );
});

Deno.test("verifyAnswer() blames the clock, not the certificate, when that begins in the future", () => {
  throws(() => verifyAnswer([make({ fromMs: nowMs + dayMs })], expected), ClockError);
});

Deno.test("checkClock() says that the clock is not set in 1970 and before the CA begins", () => {
  checkClock(nowMs, [root]);
  throws(() => checkClock(5_000, []), {
    name: "ClockError",
    message: /clock not set \(it is 1970-01-01T00:00:05Z here\)/,
  });
  throws(() => checkClock(root.notBeforeMs - 1_000, [root]), {
    name: "ClockError",
    message: /the CA's certificate begins on/,
  });
});

Deno.test("decodeCertsOnly() reads what encodeCertsOnly() writes, and refuses other things", () => {
  const leaf = make({});
  deepStrictEqual(decodeCertsOnly(encodeCertsOnly([leaf.raw, root.raw])).map(titleOf), [leaf, root].map(titleOf));
  throws(() => decodeCertsOnly(encodeCertsOnly([])), /without certificates/);
  throws(() => decodeCertsOnly(leaf.raw), Error);
});
