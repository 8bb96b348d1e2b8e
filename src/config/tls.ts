/** The keys below `tls:`, of sinks (clients) and sources (servers). */
import { z } from "zod";
import type { TlsConfig } from "./config.ts";
import { complaintOfPeer, looksLikeFingerprint } from "./peers.ts";
import { choice, complain, flag, given, type IssueContext, list, parsedText, text } from "./values.ts";

/** TLS of a client; undefined when switched off. */
export const clientTlsSchema = tlsSchema({
  ca: "CA certificates (PEM) that sign the server's; default: that of the key certificate, else the system's.",
  cert: "Own certificate (PEM) with its intermediates; default: that of the key certificate, else none.",
  peers: "Names (wildcards per label) or fingerprints (SHA1:, SHA256:) of the server; default: target.",
});

/** TLS of a server; undefined when switched off. */
export const serverTlsSchema = tlsSchema({
  ca: "CA certificates (PEM). With them a client must present a certificate that they sign.",
  cert: "Own certificate (PEM) with its intermediates; default: that of the key certificate.",
  peers: "Names (wildcards per label) or fingerprints (SHA1:, SHA256:) of clients; default: whoever the CA signed.",
});

function tlsSchema(about: { ca: string; cert: string; peers: string }): z.ZodType<TlsConfig | undefined, unknown> {
  return z.strictObject({
    enabled: flag({ about: "Whether TLS is used; false keeps the other keys for later." }).prefault(true),
    authMode: choice(["name", "fingerprint", "certvalid"], {
      about: "How the peer is recognised: by a name, by a fingerprint, or by its chain alone.",
    }).prefault("name"),
    permittedPeer: list(parsedText(parsePeer, { about: "A name or a fingerprint." }), {
      about: about.peers,
      example: ["loghost.example.net"],
    }).exactOptional(),
    ca: text({ about: about.ca, example: "/etc/agent/ca.crt" }).exactOptional(),
    cert: text({ about: about.cert, example: "/etc/agent/cert.pem" }).exactOptional(),
    key: text({ about: "The certificate's private key (PEM, not encrypted).", example: "/etc/agent/key.pem" })
      .exactOptional(),
    minVersion: choice(["TLSv1.2", "TLSv1.3"], { about: "The oldest version that is spoken." }).prefault("TLSv1.2"),
    tlsLib: choice(["openssl", "gnutls"], {
      about: "Accepted for rsyslog's sake and without effect: there is one implementation here.",
      example: "openssl",
    }).exactOptional(),
  }).transform((keys, context): TlsConfig | undefined => {
    if (!keys.enabled) return undefined;
    const { authMode, permittedPeer = [], minVersion } = keys;
    checkPair(keys, context);
    checkPeers(authMode, permittedPeer, context);
    const { ca, cert, key, tlsLib } = keys;
    return { authMode, permittedPeer, minVersion, ...given({ ca, cert, key, tlsLib }) };
  }).meta({ description: "TLS, from the first byte on." });
}

function parsePeer(peer: string): string {
  const complaint = complaintOfPeer(peer);
  if (complaint !== undefined) throw new Error(complaint);
  return peer;
}

function checkPair(keys: { readonly cert?: string; readonly key?: string }, context: IssueContext): void {
  if (keys.cert !== undefined && keys.key === undefined) {
    complain(context, keys, "missing; a certificate and its key go together", ["key"]);
  }
  if (keys.cert === undefined && keys.key !== undefined) {
    complain(context, keys, "missing; a key and its certificate go together", ["cert"]);
  }
}

function checkPeers(authMode: TlsConfig["authMode"], peers: readonly string[], context: IssueContext): void {
  if (authMode === "fingerprint" && peers.length === 0) {
    complain(context, peers, "missing; authMode fingerprint permits nobody without fingerprints", ["permittedPeer"]);
  }
  peers.forEach((peer, i) => {
    if (authMode === "certvalid" || looksLikeFingerprint(peer) === (authMode === "fingerprint")) return;
    const wanted = authMode === "name" ? "a name" : "a fingerprint (SHA1:… or SHA256:…)";
    complain(context, peer, `"${peer}" never matches; authMode ${authMode} allows ${wanted}`, ["permittedPeer", i]);
  });
}
