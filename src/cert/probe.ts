/**
 * Whether a peer takes our new certificate: a TLS handshake, then a moment of listening, because with TLS 1.3 the refusal comes
 * only after the handshake seems done.
 */
import { connect } from "node:tls";
import { isIP } from "node:net";

/** What a peer said. `unknown`: it could not be asked, which says nothing about the certificate. */
export type ProbeVerdict =
  | { readonly verdict: "taken" | "unknown"; readonly reason: string }
  | { readonly verdict: "refused"; readonly reason: string };

/** A pair in PEM and who is asked with it. */
export interface ProbeOptions {
  readonly host: string;
  readonly port: number;
  readonly cert: string;
  readonly key: string;
  readonly timeoutMs: number;
  /** How long the peer may take for its refusal after the handshake. */
  readonly listenMs: number;
}

/**
 * Shows the pair to a peer. Its own certificate is not judged here: this asks only what it thinks of ours.
 * Never rejects.
 */
export function probePeer(options: ProbeOptions, signal: AbortSignal): Promise<ProbeVerdict> {
  const { host, port, cert, key } = options;
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port,
      cert,
      key,
      rejectUnauthorized: false, // nothing is sent; the peer's word is only about our certificate
      checkServerIdentity: () => undefined,
      ...(isIP(host) === 0 ? { servername: host } : {}),
    });
    const settle = (verdict: ProbeVerdict): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      socket.destroy();
      resolve(verdict);
    };
    const stop = (): void => settle({ verdict: "unknown", reason: "stopped" });
    let timer = setTimeout(() => settle({ verdict: "unknown", reason: "no answer" }), options.timeoutMs);
    signal.addEventListener("abort", stop, { once: true });
    socket.once("secureConnect", () => {
      clearTimeout(timer);
      timer = setTimeout(() => settle({ verdict: "taken", reason: "no objection" }), options.listenMs);
    });
    socket.on("data", () => settle({ verdict: "taken", reason: "it speaks to us" }));
    socket.on("error", (error: Error) => settle(judge(error.message)));
    socket.on("close", () => settle({ verdict: "unknown", reason: "it closed the connection without a word" }));
  });
}

/** Alerts about certificates are refusals (RFC 8446 section 6.2); all else is the network's or the peer's trouble. */
export function judge(message: string): ProbeVerdict {
  const alert =
    /alert.*(bad.?certificate|unsupported.?certificate|certificate.?(revoked|expired|unknown|required)|unknown.?ca|access.?denied|decrypt.?error)/i;
  return { verdict: alert.test(message) ? "refused" : "unknown", reason: message };
}
