/** `agent sign list` and `agent sign revoke`: what the CA issued, and taking it back. */
import { Authority } from "../cert/authority/authority.ts";
import { IssueLog } from "../cert/authority/issue_log.ts";
import { type RevocationReason, revocationReasons, revoke } from "../cert/authority/revocation.ts";
import { UsageError } from "../pipeline/errors.ts";
import { openLog } from "../system/log.ts";
import type { CommandContext } from "./context.ts";
import { newCommand, oneOf, parseOptions } from "./options.ts";

/** Prints every certificate with its state. */
export function runList(words: readonly string[], context: CommandContext): number {
  const command = newCommand(
    "sign list",
    "Lists the certificates that this CA issued.",
    "agent sign list --dir DIR --json",
  )
    .requiredOption("--dir <dir>", "folder of the CA")
    .option("--json", "one JSON object per line");
  const parsed = parseOptions<{ dir: string; json?: boolean }>(command, words, context);
  if (parsed === undefined) return 0;
  const { dir, json } = parsed.options;
  Authority.open(dir);
  using issueLog = new IssueLog(dir);
  for (const entry of issueLog.issued()) {
    const expired = Date.parse(entry.notAfter) <= Date.now();
    const state = issueLog.isRevoked(entry.serial) ? "revoked" : expired ? "expired" : "valid";
    const { event: _event, ...facts } = entry;
    context.print(
      json === true
        ? JSON.stringify({ state, ...facts }) + "\n"
        : `${state.padEnd(7)} ${entry.serial.padEnd(32)} until ${entry.notAfter} ${entry.subject}\n`,
    );
  }
  return 0;
}

/** Revokes one certificate; a second time changes nothing. */
export function runRevoke(words: readonly string[], context: CommandContext): number {
  const names = Object.keys(revocationReasons) as RevocationReason[];
  const command = newCommand(
    "sign revoke",
    "Revokes a certificate and writes DIR/ca.crl.",
    "agent sign revoke SERIAL --dir DIR",
  )
    .argument("<serial>", "serial number in hexadecimal, as `agent sign list` prints it")
    .requiredOption("--dir <dir>", "folder of the CA")
    .option("--reason <reason>", names.join(", "), "unspecified");
  const parsed = parseOptions<{ dir: string; reason: string }>(command, words, context);
  if (parsed === undefined) return 0;
  const serial = parsed.args[0]!;
  if (!/^[0-9a-f:]+$/i.test(serial)) throw new UsageError(`"${serial}" is no serial number in hexadecimal`);
  const { dir } = parsed.options;
  const reason = oneOf("--reason", parsed.options.reason, names);
  const authority = Authority.open(dir);
  using issueLog = new IssueLog(dir);
  const fresh = revoke(authority, issueLog, serial, reason, Date.now());
  openLog("sign").info(`${serial} ${fresh ? "is revoked" : "was revoked before"}; the list is ${dir}/ca.crl`);
  return 0;
}
