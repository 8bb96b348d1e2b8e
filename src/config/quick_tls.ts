/** TLS of the quick form: `--ca`, `--cert`, `--key`, `--permitted-peer`, and the environment behind them. */
import { UsageError } from "../pipeline/errors.ts";
import type { SinkConfig, SourceConfig, TlsConfig } from "./config.ts";
import { complaintOfPeer, looksLikeFingerprint } from "./peers.ts";

/** The TLS options of the command line: files, and who may be at the other end. */
export interface QuickTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Names or fingerprints, not both; none: the host that is asked for (client), whoever the CA signed (server). */
  readonly permittedPeer?: readonly string[];
}

/** `given` completed by the environment: `CAFILE`, `CERTFILE`, `KEYFILE`. A pair is never put together from both. */
export function withEnvironment(given: QuickTls, env: (name: string) => string | undefined): QuickTls {
  const from = (name: string): string | undefined => env(name) || undefined;
  const ca = given.ca ?? from("CAFILE");
  const pairGiven = given.cert !== undefined || given.key !== undefined;
  const cert = pairGiven ? given.cert : from("CERTFILE");
  const key = pairGiven ? given.key : from("KEYFILE");
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(given.permittedPeer === undefined ? {} : { permittedPeer: given.permittedPeer }),
  };
}

/** Refuses TLS options beside plain addresses alone: what was meant to be encrypted would not be. */
export function refuseIdleTls(
  given: QuickTls,
  parts: readonly (SourceConfig | SinkConfig)[],
): void {
  const options = [
    ...(given.ca === undefined ? [] : ["--ca"]),
    ...(given.cert === undefined ? [] : ["--cert"]),
    ...(given.key === undefined ? [] : ["--key"]),
    ...(given.permittedPeer === undefined ? [] : ["--permitted-peer"]),
  ];
  if (options.length === 0 || parts.some((part) => "tls" in part && part.tls !== undefined)) return;
  throw new UsageError(`${options.join(", ")}: no address here uses TLS\nTry: relps:// instead of relp://`);
}

/** TLS of a listener. @throws when it has no certificate, or peers that nobody could check */
export function serverTlsOf(tls: QuickTls): TlsConfig {
  const secured = tlsOf(tls, []);
  if (secured.cert === undefined) throw new Error("TLS needs a certificate of its own; add --cert FILE --key FILE");
  if (secured.ca === undefined && secured.permittedPeer.length > 0) {
    throw new Error("--permitted-peer: without --ca nobody's certificate can be checked");
  }
  return secured;
}

/** TLS towards a server; without peers in `tls` it must be one of `defaultPeers`. @throws on half a pair, or peers that cannot be */
export function tlsOf(tls: QuickTls, defaultPeers: readonly string[]): TlsConfig {
  const { ca, cert, key } = tls;
  if (cert !== undefined && key === undefined) throw new Error("--cert is given without --key; they go together");
  if (cert === undefined && key !== undefined) throw new Error("--key is given without --cert; they go together");
  const permittedPeer = tls.permittedPeer ?? defaultPeers;
  for (const peer of permittedPeer) {
    const complaint = complaintOfPeer(peer);
    if (complaint !== undefined) throw new Error(`--permitted-peer ${complaint}`);
  }
  const fingerprints = permittedPeer.filter(looksLikeFingerprint).length;
  if (fingerprints > 0 && fingerprints < permittedPeer.length) {
    throw new Error("--permitted-peer: names and fingerprints cannot be mixed");
  }
  return {
    authMode: fingerprints > 0 ? "fingerprint" : "name",
    permittedPeer,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  };
}
