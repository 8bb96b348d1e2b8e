/** How permitted peers are written: names with wildcards per label, or fingerprints. Pure. */
import { complaintOfHost } from "./address.ts";

/** Whether `text` is meant as a fingerprint. */
export function looksLikeFingerprint(text: string): boolean {
  return /^sha(1|256):/i.test(text);
}

/**
 * Why `text` can never match a peer, undefined when it can: `SHA1:` and `SHA256:` with or without colons between the
 * bytes, names with `*`, `*x` or `x*` as a label, IP addresses.
 */
export function complaintOfPeer(text: string): string | undefined {
  if (/^[a-z0-9]+:[0-9a-f:]{20,}$/i.test(text)) return complaintOfFingerprint(text);
  for (const label of text.replace(/\.$/, "").split(".")) {
    if (label.replace(/^\*|\*$/, "").includes("*")) {
      return `"${text}": a "*" stands at the beginning or the end of a label, for example *.example.net`;
    }
  }
  return complaintOfHost(text.replaceAll("*", "x"));
}

function complaintOfFingerprint(text: string): string | undefined {
  const [algorithm, ...bytes] = text.split(":");
  const wanted = { SHA1: 40, SHA256: 64 }[algorithm!.toUpperCase()];
  if (wanted === undefined) return `"${text}" is not a fingerprint; allowed: SHA1:… and SHA256:…`;
  const digits = bytes.join("").length;
  return digits === wanted ? undefined : `"${text}" has ${digits} hex digits; ${algorithm} has ${wanted}`;
}
