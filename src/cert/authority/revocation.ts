/** Revoking, and the list of what is revoked (`ca.crl`), which rsyslog, nginx and openssl read. */
import { join } from "node:path";
import { writeFileAtomic } from "../../system/atomic_file.ts";
import { encodePem } from "../pem.ts";
import { isoSeconds } from "../verify.ts";
import type { Authority } from "./authority.ts";
import { encodeRevocationList } from "./encode.ts";
import type { IssueLog } from "./issue_log.ts";

/** Reasons by their names in RFC 5280 section 5.3.1. */
export const revocationReasons = {
  unspecified: 0,
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
} as const;
/** One of those names. */
export type RevocationReason = keyof typeof revocationReasons;

/**
 * Revokes a certificate and writes the list.
 * @param serial hexadecimal, with or without colons and leading zeros
 * @returns false when it was revoked before
 * @throws when it was never issued here
 */
export function revoke(
  authority: Authority,
  issueLog: IssueLog,
  serial: string,
  reason: RevocationReason,
  nowMs: number,
): boolean {
  const wanted = serial.toLowerCase().replaceAll(":", "").replace(/^0+(?=.)/, "");
  return issueLog.exclusively(() => {
    const issued = issueLog.find(wanted);
    if (issued === undefined) {
      throw new Error(
        `Cannot revoke certificate "${serial}": it was not issued here\nTry: agent sign list --dir ${authority.dir}`,
      );
    }
    const fresh = !issueLog.isRevoked(wanted);
    if (fresh) {
      issueLog.append({
        event: "revoked",
        time: isoSeconds(nowMs),
        serial: wanted,
        reason: revocationReasons[reason],
        notAfter: issued.notAfter,
      });
    }
    writeList(authority, issueLog, nowMs);
    return fresh;
  });
}

/** Writes `ca.crl` anew, so that it does not go stale. */
export function refreshRevocationList(authority: Authority, issueLog: IssueLog, nowMs: number): void {
  issueLog.exclusively(() => writeList(authority, issueLog, nowMs));
}

/** What has expired need not be listed any more (section 3.3); a month longer is for clocks that are wrong. */
function writeList(authority: Authority, issueLog: IssueLog, nowMs: number): void {
  const revoked = issueLog.revoked().filter(({ notAfter }) => Date.parse(notAfter) > nowMs - monthMs);
  const der = authority.withKey((key) =>
    encodeRevocationList({
      issuerDer: authority.certificate.subjectDer,
      issuerPublicKey: authority.certificate.publicKey,
      number: Math.floor(nowMs / 1_000), // grows with time: no counter to lose
      thisUpdateMs: nowMs - hourMs,
      nextUpdateMs: nowMs + monthMs,
      revoked: revoked.map(({ serial, time, reason }) => ({ serial, reason, revokedAtMs: Date.parse(time) })),
    }, key)
  );
  writeFileAtomic(join(authority.dir, "ca.crl"), encodePem("X509 CRL", der));
}

const hourMs = 3_600_000;
const monthMs = 30 * 24 * hourMs;
