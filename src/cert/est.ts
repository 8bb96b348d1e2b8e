/**
 * EST (RFC 7030): `cacerts` and `csrattrs` first, then `simpleenroll` with HTTP Basic, or `simplereenroll` with the
 * certificate that is to be renewed.
 */
import { decodeOid, DerReader, readSingle, tags } from "../tls/der.ts";
import type { Certificate } from "./certificate.ts";
import { algorithmOids, type KeyType } from "./keys.ts";
import { decodeAnyForm, encodeBase64Lines } from "./pem.ts";
import { decodeCertsOnly } from "./pkcs7.ts";
import {
  ask,
  type EnrolmentProtocol,
  type Preparation,
  type Proof,
  requireSuccess,
  type SigningEnd,
} from "./protocol.ts";
import type { HttpAnswer, HttpRequest } from "./http.ts";
import { RefusedError } from "./errors.ts";

/** The protocol; preparing brings the CA certificates and the kind of key that are wanted. */
export const est: EnrolmentProtocol = {
  id: "est",
  challengeInRequest: false, // in EST that attribute means a binding to the TLS channel (section 3.5)

  async prepare(end: SigningEnd, signal: AbortSignal): Promise<Preparation> {
    const anchors = await call(end, "cacerts", { method: "GET" }, signal);
    const keyType = await wantedKeyType(end, signal);
    return {
      anchors: certificatesOf(requireSuccess(anchors, end.url), end),
      ...(keyType === undefined ? {} : { keyType }),
    };
  },

  async submit(
    request: Uint8Array,
    proof: Proof,
    end: SigningEnd,
    signal: AbortSignal,
  ): Promise<readonly Certificate[]> {
    const body = new TextEncoder().encode(encodeBase64Lines(request));
    const headers = { "Content-Type": "application/pkcs10", "Content-Transfer-Encoding": "base64" };
    if (proof.pair !== undefined) {
      const answer = await call(end, "simplereenroll", { method: "POST", headers, body, pair: proof.pair }, signal);
      // A signing end that no longer takes the certificate may still take the secret.
      if (![401, 403].includes(answer.status) || proof.challenge === undefined) {
        return certificatesOf(requireSuccess(answer, end.url), end);
      }
    }
    const secret = proof.challenge === undefined ? {} : { Authorization: basic(proof.userName, proof.challenge) };
    const answer = await call(
      end,
      "simpleenroll",
      { method: "POST", headers: { ...headers, ...secret }, body },
      signal,
    );
    return certificatesOf(requireSuccess(answer, end.url), end);
  },
};

/** The address of an operation: below `/.well-known/est`, unless the URL names a path itself (a label). */
export function operationUrl(base: URL, operation: string): URL {
  const path = base.pathname.replace(/\/+$/, "");
  return new URL(`${path === "" ? "/.well-known/est" : path}/${operation}`, base);
}

/**
 * The kind of key that `csrattrs` asks for (RFC 7030 section 4.5.2), undefined where it names none that we make.
 * @param der AttrOrOIDs
 */
export function keyTypeOfAttributes(der: Uint8Array): KeyType | undefined {
  const reader = readSingle(der);
  while (!reader.atEnd) {
    const one = reader.next();
    if (one.tag !== tags.sequence) continue; // an identifier alone: a digest or an attribute without a wish
    const inside = new DerReader(one.content);
    const oid = decodeOid(inside.expect(tags.oid).content);
    const values = inside.enter(tags.set);
    if (oid === algorithmOids.ecPublicKey) {
      const curve = decodeOid(values.expect(tags.oid).content);
      if (curve === algorithmOids.p256) return "ec-p256";
      if (curve === algorithmOids.p384) return "ec-p384";
    } else if (oid === algorithmOids.rsaEncryption) {
      const bits = parseInt(values.expect(tags.integer).content.toHex(), 16);
      if (bits <= 3072) return bits <= 2048 ? "rsa-2048" : "rsa-3072";
    } else continue;
    throw new RefusedError(
      "Cannot make the key that the CA asks for (csrattrs): we make P-256, P-384, RSA 2048 and 3072",
    );
  }
  return undefined;
}

/** `csrattrs` is optional: 204, 404 and an empty body mean that there are no wishes. */
async function wantedKeyType(end: SigningEnd, signal: AbortSignal): Promise<KeyType | undefined> {
  const answer = await call(end, "csrattrs", { method: "GET" }, signal);
  if (answer.status === 204 || answer.status === 404 || answer.status === 501) return undefined;
  const { body } = requireSuccess(answer, end.url);
  return body.length === 0 ? undefined : keyTypeOfAttributes(decodeAnyForm(body));
}

function call(
  end: SigningEnd,
  operation: string,
  request: Pick<HttpRequest, "method" | "headers" | "body" | "pair">,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  return ask({ ...request, url: operationUrl(end.url, operation), ca: end.ca, timeoutMs: end.timeoutMs }, signal);
}

function certificatesOf(answer: HttpAnswer, end: SigningEnd): readonly Certificate[] {
  try {
    return decodeCertsOnly(decodeAnyForm(answer.body, "PKCS7", "CMS"));
  } catch (error) {
    throw new Error(`Cannot use the answer of "${end.url.href}": it is no PKCS#7 with certificates`, { cause: error });
  }
}

function basic(userName: string, secret: string): string {
  return `Basic ${new TextEncoder().encode(`${userName}:${secret}`).toBase64()}`;
}
