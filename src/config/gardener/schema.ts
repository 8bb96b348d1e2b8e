/**
 * `RsyslogRelpConfig` and `Auditd` of Gardener's extension shoot-rsyslog-relp, with its validation and without its holes:
 * severities end at 7, ports at 65535, fingerprints may have the colons that librelp wants, and numbers have bounds.
 *
 * @see rsyslog-relp.extensions.gardener.cloud/v1alpha1
 */
import { z } from "zod";
import { complaintOfHost } from "../address.ts";
import { patternText } from "../patterns.ts";
import { complaintOfPeer, looksLikeFingerprint } from "../peers.ts";
import { choice, complain, count, flag, type IssueContext, list, parsedText, text } from "../values.ts";

const version = { apiVersion: parsedText(parseVersion, { about: "Version of the form." }) };

const messageContent = z.strictObject({
  regex: patternText({ about: "The message must match." }).exactOptional(),
  exclude: patternText({ about: "The message must not match." }).exactOptional(),
}).refine(({ regex, exclude }) => regex !== undefined || exclude !== undefined, {
  error: "asks for nothing; regex or exclude is needed",
});

const loggingRule = z.strictObject({
  programNames: list(parsedText(parseProgram, { about: "A program." }), { about: "One of them." }).exactOptional(),
  severity: count(0, 7, { about: "This severity or a graver one." }).exactOptional(),
  messageContent: messageContent.exactOptional(),
}).refine((rule) => Object.keys(rule).length > 0, {
  error: "asks for nothing; programNames, severity or messageContent is needed",
});

const tls = z.strictObject({
  enabled: flag({ about: "Whether TLS is used." }),
  secretReferenceName: text({ about: "Name of the folder with ca, crt and key." }).exactOptional(),
  permittedPeer: list(parsedText(parsePeer, { about: "A name or a fingerprint." }), { about: "Of the server." })
    .exactOptional(),
  authMode: choice(["name", "fingerprint"], { about: "How the server is recognised." }).exactOptional(),
  tlsLib: choice(["openssl", "gnutls"], { about: "Without effect." }).exactOptional(),
}).transform((keys, context) => {
  if (keys.enabled && keys.secretReferenceName === undefined) {
    complain(context, keys, "missing; with TLS enabled it names the certificates", ["secretReferenceName"]);
  }
  checkPeers(keys.permittedPeer ?? [], keys.authMode, context);
  return keys;
});

/** A configuration of the extension. `agent` holds keys of our own form, for what the extension leaves to the node. */
export const relpConfigSchema = z.strictObject({
  ...version,
  kind: z.literal("RsyslogRelpConfig"),
  target: parsedText(parseTarget, { about: "The server." }),
  port: count(1, 65_535, { about: "Its port." }),
  loggingRules: z.array(loggingRule).min(1),
  tls: tls.exactOptional(),
  rebindInterval: count(0, 1e9, { about: "Messages per session; 0: no limit." }).exactOptional(),
  timeout: count(1, 86_400, { about: "Seconds." }).exactOptional(),
  resumeRetryCount: count(-1, 1_000_000, { about: "Failed tries; -1: for ever." }).exactOptional(),
  reportSuspensionContinuation: flag({ about: "Whether each failed try is said." }).exactOptional(),
  auditConfig: z.strictObject({
    enabled: flag({ about: "Whether the node's audit rules are kept." }),
    configMapReferenceName: text({ about: "Name of the folder with auditd." }).exactOptional(),
  }).exactOptional(),
  agent: z.record(z.string(), z.unknown()).exactOptional(),
});

/** What {@linkcode relpConfigSchema} reads. */
export type RelpConfig = z.output<typeof relpConfigSchema>;

/** Audit rules in a document of their own. */
export const auditdSchema = z.strictObject({
  ...version,
  kind: z.literal("Auditd"),
  auditRules: text({ about: "Rules of auditctl, one per line." }),
});

function parseVersion(given: string): string {
  if (!/^rsyslog-relp\.extensions\.gardener\.cloud\/v1(?:(?:alpha|beta)\d+)?$/.test(given)) {
    throw new Error(`"${given}" is not known; allowed: rsyslog-relp.extensions.gardener.cloud/v1alpha1`);
  }
  return given;
}

function parseTarget(host: string): string {
  const complaint = complaintOfHost(host);
  if (complaint !== undefined) throw new Error(complaint);
  return host;
}

function parseProgram(name: string): string {
  if (!/^[!-~]+$/.test(name) || /[[:/]/.test(name)) {
    throw new Error("is not a program name; allowed: printable ASCII characters without space, [ : /");
  }
  return name;
}

function parsePeer(peer: string): string {
  const complaint = complaintOfPeer(peer);
  if (complaint !== undefined) throw new Error(complaint);
  return peer;
}

function checkPeers(peers: readonly string[], authMode: string | undefined, context: IssueContext): void {
  if (authMode === "fingerprint" && peers.length === 0) {
    complain(context, peers, "missing; authMode fingerprint permits nobody without fingerprints", ["permittedPeer"]);
  }
  peers.forEach((peer, i) => {
    const wanted = authMode ?? (looksLikeFingerprint(peers[0]!) ? "fingerprint" : "name");
    if (looksLikeFingerprint(peer) === (wanted === "fingerprint")) return;
    complain(context, peer, `"${peer}" never matches with authMode ${wanted}`, ["permittedPeer", i]);
  });
}
