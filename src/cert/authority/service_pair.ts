/** The service's own certificate: made by its CA, renewed by itself, good for the names that devices call it by. */
import { join } from "node:path";
import { type Alternative, formatAlternative } from "../alternatives.ts";
import { encodeCertificates } from "../certificate.ts";
import { usageOids } from "../extensions.ts";
import { generateKey, publicKeyOf, readPrivateKey } from "../keys.ts";
import { encodeName } from "../name.ts";
import { machineShare, renewalDueMs } from "../schedule.ts";
import type { Generation } from "../generation.ts";
import { CertificateStore } from "../store.ts";
import type { Authority } from "./authority.ts";

/**
 * The pair to serve with: the one on disk, or a new one when that is due, names other hosts, or is of an old CA.
 * @param hosts names and addresses, at least one
 */
export async function servicePair(
  authority: Authority,
  hosts: readonly Alternative[],
  nowMs: number,
  signal: AbortSignal,
): Promise<Generation> {
  const store = new CertificateStore(join(authority.dir, "service"));
  using _lock = await store.lock(signal);
  const names = JSON.stringify(hosts.map(formatAlternative));
  const current = store.current();
  if (current !== undefined && current.meta.names === names && current.ca === authority.pem) {
    const { leaf, meta } = current;
    const due = renewalDueMs(
      { ...meta, notBeforeMs: leaf.notBeforeMs, notAfterMs: leaf.notAfterMs },
      machineShare(names),
    );
    if (nowMs < due && leaf.notBeforeMs <= nowMs) return current;
  }
  const key = await generateKey("ec-p256");
  const certificate = authority.issue({
    subjectDer: encodeName([[{ type: "CN", value: hosts[0]!.value.slice(0, 64) }]]),
    publicKey: publicKeyOf(readPrivateKey(key)),
    alternatives: hosts,
    usages: [usageOids.serverAuth],
    notBeforeMs: nowMs - dayMs,
    notAfterMs: nowMs + lifetimeMs,
  });
  const cert = encodeCertificates([certificate, ...authority.chain.slice(0, -1)]);
  return store.install({ key, cert, ca: authority.pem }, { installedAtMs: nowMs, names, first: false });
}

const dayMs = 24 * 3_600_000;
/** What TLS clients accept at the most from a server (CA/Browser Forum), a little less. */
const lifetimeMs = 390 * dayMs;
