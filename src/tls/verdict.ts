/**
 * Whether the one at the other end of a TLS connection may be there: the same judgement for clients and servers. It
 * fails closed: no certificate, no chain that holds, or no permitted name or fingerprint means no connection.
 *
 * The chain is checked in every mode, also for fingerprints (rsyslog's GnuTLS driver does not, its OpenSSL driver does):
 * an expired certificate is refused although its fingerprint is permitted. Whoever wants to trust a self-signed
 * certificate by its fingerprint names it as `ca`, too.
 */
import type { TLSSocket } from "node:tls";
import { peerIdentity } from "./peer_identity.ts";
import { type AuthMode, type CertificateFacts, refusalOfPeer } from "./peer_name.ts";

/** Names of who may come in, or why one may not, with the names seen. */
export type Verdict = { readonly names: readonly string[] } | { readonly refusal: string };

/** Judges the peer of a socket whose handshake is done. */
export function judgePeer(socket: TLSSocket, mode: AuthMode, permitted: readonly string[]): Verdict {
  const certificate = socket.getPeerCertificate() as CertificateFacts | null | undefined;
  if (certificate?.raw === undefined) return { refusal: "it presents no certificate, and one is demanded" };
  try {
    const identity = peerIdentity(certificate.raw);
    const owner = identity.names.join(", ") || "nobody";
    if (!socket.authorized) {
      const reason = describeRefusal(String(socket.authorizationError), certificate);
      return { refusal: `the certificate of ${owner} is not to be trusted: ${reason}` };
    }
    const refusal = refusalOfPeer(identity, mode, permitted);
    return refusal === undefined ? { names: identity.names } : { refusal: `it is not permitted: ${refusal}` };
  } catch (error) {
    return { refusal: `its certificate cannot be read: ${(error as Error).message}` };
  }
}

/** Why a chain does not hold, in words: dates first, which the runtime's code may hide, then its code. */
function describeRefusal(code: string, certificate: CertificateFacts, now: Date = new Date()): string {
  const { valid_from: from, valid_to: to } = certificate;
  if (to !== undefined && new Date(to) <= now) return `it expired on ${new Date(to).toISOString()}`;
  if (from !== undefined && new Date(from) > now) {
    return `it is valid from ${new Date(from).toISOString()}; is the clock here right?`;
  }
  if (certificate.issuer !== undefined && JSON.stringify(certificate.issuer) === JSON.stringify(certificate.subject)) {
    return "it is self-signed";
  }
  const words: Readonly<Record<string, string>> = {
    CERT_HAS_EXPIRED: "a certificate of its chain has expired",
    DEPTH_ZERO_SELF_SIGNED_CERT: "it is self-signed",
    SELF_SIGNED_CERT_IN_CHAIN: "its chain ends in a CA that is not ours",
    UNABLE_TO_GET_ISSUER_CERT: "none was sent, or its issuer is unknown",
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its issuer is not among our CA certificates",
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: "our CA certificates did not sign it, or not for this use",
  };
  return words[code] === undefined ? code : `${words[code]} (${code})`;
}
