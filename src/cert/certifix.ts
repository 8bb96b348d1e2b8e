/**
 * certifix: one POST of a PEM request that carries the challenge password, answered by the PEM certificate. A renewal shows the
 * certificate in use as well, so that a signing end that knows it (ours) needs no challenge.
 */
import type { Certificate } from "./certificate.ts";
import { decodeCertificates } from "./certificate.ts";
import { encodePem } from "./pem.ts";
import {
  ask,
  type EnrolmentProtocol,
  type Preparation,
  type Proof,
  requireSuccess,
  type SigningEnd,
} from "./protocol.ts";

/** The protocol; it needs no preparation. */
export const certifix: EnrolmentProtocol = {
  id: "certifix",
  challengeInRequest: true,

  prepare(): Promise<Preparation> {
    return Promise.resolve({ anchors: [] });
  },

  async submit(
    request: Uint8Array,
    proof: Proof,
    end: SigningEnd,
    signal: AbortSignal,
  ): Promise<readonly Certificate[]> {
    const answer = await ask({
      method: "POST",
      url: end.url,
      headers: { "Content-Type": "application/x-pem-file" },
      body: new TextEncoder().encode(encodePem("CERTIFICATE REQUEST", request)),
      ca: end.ca,
      ...(proof.pair === undefined ? {} : { pair: proof.pair }),
      timeoutMs: end.timeoutMs,
    }, signal);
    const { body } = requireSuccess(answer, end.url);
    try {
      return decodeCertificates(new TextDecoder().decode(body));
    } catch (error) {
      throw new Error(`Cannot use the answer of "${end.url.href}": it is no PEM certificate`, { cause: error });
    }
  },
};
