/** Whether certificates and keys can be used, now and for a while, and are kept from others. */
import { X509Certificate } from "node:crypto";
import type { AgentConfig, TlsConfig } from "../../config/config.ts";
import { errorText } from "../../pipeline/errors.ts";
import { formatDuration } from "../../formats/duration.ts";
import { loadCredentials } from "../../tls/credentials.ts";
import { broken, type Finding, fine, warning } from "./finding.ts";

/** Looks at the files of every source and sink that uses TLS. */
export function checkCredentials(config: AgentConfig, nowMs: number): readonly Finding[] {
  const parts = [
    ...Object.entries(config.sources).map(([name, part]) => [`sources.${name}.tls`, part] as const),
    ...Object.entries(config.sinks).map(([name, part]) => [`sinks.${name}.tls`, part] as const),
  ];
  return parts.flatMap(([subject, part]) =>
    "tls" in part && part.tls !== undefined ? checkTls(subject, part.tls, nowMs) : []
  );
}

function checkTls(subject: string, tls: TlsConfig, nowMs: number): readonly Finding[] {
  const findings: Finding[] = [];
  if (tls.tlsLib !== undefined) {
    findings.push(warning(`${subject}.tlsLib`, "has no effect: there is one implementation here", "remove the key"));
  }
  try {
    loadCredentials(tls, new Date(nowMs));
  } catch (error) {
    return [...findings, broken(subject, errorText(error), "get another certificate, or name another file")];
  }
  if (tls.ca !== undefined) findings.push(...checkAuthorities(`${subject}.ca`, tls.ca, nowMs));
  if (tls.cert !== undefined) findings.push(...checkOwn(`${subject}.cert`, tls.cert, nowMs));
  if (tls.key !== undefined) findings.push(...checkKeyMode(`${subject}.key`, tls.key));
  return findings;
}

function checkAuthorities(subject: string, path: string, nowMs: number): readonly Finding[] {
  const good = certificatesIn(path).filter((certificate) => Date.parse(certificate.validTo) > nowMs);
  if (good.length > 0) return [fine(subject, `${good.length} CA certificates, the last until ${lastDay(good)}`)];
  return [broken(subject, `every certificate in "${path}" has expired`, "get the CA's present certificate")];
}

function checkOwn(subject: string, path: string, nowMs: number): readonly Finding[] {
  const chain = certificatesIn(path);
  const leaf = chain[0]!;
  const torn = chain.findIndex((certificate, i) => i > 0 && !chain[i - 1]!.checkIssued(certificate));
  if (torn > 0) {
    return [
      broken(
        subject,
        `certificate ${torn + 1} in "${path}" did not issue the one before it`,
        "put the own certificate first, then its issuer, then that one's",
      ),
    ];
  }
  const leftMs = Date.parse(leaf.validTo) - nowMs;
  const lifeMs = Date.parse(leaf.validTo) - Date.parse(leaf.validFrom);
  const text = `${nameOf(leaf)}, key matches, valid for ${formatDuration(leftMs)}, until ${leaf.validTo}`;
  if (leftMs < Math.min(14 * dayMs, lifeMs / 3)) return [warning(subject, text, "renew it")];
  return [fine(subject, text)];
}

function checkKeyMode(subject: string, path: string): readonly Finding[] {
  const mode = Deno.statSync(path).mode ?? 0;
  if ((mode & 0o077) === 0) return [];
  const text = `"${path}" can be read by others (mode ${(mode & 0o777).toString(8)})`;
  return [warning(subject, text, `chmod 600 ${path}`)];
}

function certificatesIn(path: string): readonly X509Certificate[] {
  const blocks = Deno.readTextFileSync(path).matchAll(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  return [...blocks].map(([block]) => new X509Certificate(block));
}

function lastDay(certificates: readonly X509Certificate[]): string {
  return new Date(Math.max(...certificates.map(({ validTo }) => Date.parse(validTo)))).toISOString().slice(0, 10);
}

function nameOf(certificate: X509Certificate): string {
  return certificate.subjectAltName ?? certificate.subject.replaceAll("\n", ", ");
}

const dayMs = 86_400_000;
