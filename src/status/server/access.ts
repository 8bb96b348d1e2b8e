/** Who can reach the status server, and that those who are elsewhere are asked who they are. Pure. */
import type { TlsOptions } from "../../tls/dial.ts";

/** Where the server listens. */
export type StatusAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** What decides who may come in. */
export interface Access {
  readonly listen: StatusAddress;
  /** With `ca`, callers must present a certificate that it signed. */
  readonly tls?: TlsOptions;
  /** Callers must show a token of this file. */
  readonly tokenFile?: string;
}

/** Whether only this machine can reach an address. */
export function isLocal(listen: StatusAddress): boolean {
  return "path" in listen || /^(127(\.\d{1,3}){3}|::1|localhost)$/i.test(listen.host);
}

/** Why the server must not start, undefined when it may: anybody who can reach it could read logs and make dumps. */
export function complaintOfAccess({ listen, tls, tokenFile }: Access): string | undefined {
  if ("path" in listen || isLocal(listen) || tls?.ca !== undefined || tokenFile !== undefined) return undefined;
  return `${listen.host} can be reached by others, who could read logs there; ` +
    "listen on 127.0.0.1 or unix:PATH, or ask who they are: tls.ca (client certificates) or tokenFile";
}

/** What is allowed and still deserves a word. */
export function warningOfAccess({ listen, tls }: Access): string | undefined {
  if (isLocal(listen) || tls !== undefined) return undefined;
  return "the token and all that is shown cross the network in the clear; set tls";
}
