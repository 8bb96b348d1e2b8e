/**
 * Whether a peer's certificate is one that we permit: names with wildcards per label, or fingerprints. Pure.
 * Stricter than librelp where librelp has holes: names are compared case-insensitively, DNS names of the SAN first,
 * the CN only where there is no SAN, and no other kind of SAN counts.
 *
 * @see RFC 6125 section 6.4, RFC 5425 section 5.2
 */

import type { PeerIdentity } from "./peer_identity.ts";

/** How a peer is recognised, besides its chain: `name`, `fingerprint`, or `certvalid` for the chain alone. */
export type AuthMode = "name" | "fingerprint" | "certvalid";

/** The parts of node's peer certificate that are used: its DER, and what messages are made of. */
export interface CertificateFacts {
  /** The certificate as it came. */
  readonly raw?: Uint8Array;
  readonly subject?: unknown;
  readonly issuer?: unknown;
  /** Dates as OpenSSL prints them. */
  // deno-lint-ignore camelcase
  readonly valid_from?: string;
  // deno-lint-ignore camelcase
  readonly valid_to?: string;
}

/**
 * Why a peer is not permitted, with what it presented; undefined when it is. An empty list permits nobody in the modes
 * `name` and `fingerprint`.
 */
export function refusalOfPeer(
  identity: PeerIdentity,
  mode: AuthMode,
  permitted: readonly string[],
): string | undefined {
  if (mode === "certvalid") return undefined;
  if (mode === "fingerprint") {
    const known = permitted.some((text) => matchesFingerprint(text, identity));
    return known ? undefined : `fingerprint SHA256:${identity.sha256} is not permitted (SHA1:${identity.sha1})`;
  }
  if (identity.names.some((name) => permitted.some((pattern) => matchesName(pattern, name)))) return undefined;
  const presented = identity.names.length === 0 ? "no name" : identity.names.join(", ");
  return `it presents ${presented}; permitted: ${permitted.join(", ") || "nobody"}`;
}

/** Whether `name` matches `pattern`: equal label by label, where a label of the pattern may be `*`, `*x` or `x*`. */
export function matchesName(pattern: string, name: string): boolean {
  const wanted = labelsOf(pattern);
  const given = labelsOf(name);
  return wanted.length === given.length && wanted.every((label, i) => matchesLabel(label, given[i]!));
}

/** Whether `text` (`SHA1:…` or `SHA256:…`, with or without colons, any case) names this certificate. */
export function matchesFingerprint(text: string, identity: PeerIdentity): boolean {
  const match = /^(sha1|sha256):([0-9a-f:]+)$/i.exec(text.trim());
  if (match === null) return false;
  const bytes = (hex: string): string => hex.replaceAll(":", "").toUpperCase();
  const own = bytes(match[1]!.toLowerCase() === "sha1" ? identity.sha1 : identity.sha256);
  return own !== "" && own === bytes(match[2]!);
}

function labelsOf(name: string): readonly string[] {
  return name.toLowerCase().replace(/\.$/, "").split(".");
}

function matchesLabel(pattern: string, label: string): boolean {
  if (pattern === "*") return label !== "";
  if (label.includes("*")) return false;
  if (pattern.startsWith("*")) return label.endsWith(pattern.slice(1)) && !pattern.slice(1).includes("*");
  if (pattern.endsWith("*")) return label.startsWith(pattern.slice(0, -1)) && !pattern.slice(0, -1).includes("*");
  return pattern === label;
}
