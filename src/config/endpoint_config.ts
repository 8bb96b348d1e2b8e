/** Addresses and TLS as a configuration has them once it is read: for sources and sinks alike. */
import type { TlsOptions } from "../tls/dial.ts";

/** A host and a port; the host of an IPv6 address is without brackets. */
export interface HostPort {
  readonly host: string;
  /** 0..65535; 0 takes a free one and is for listening alone. */
  readonly port: number;
}

/** TLS on one end, switched on. */
export interface TlsConfig extends TlsOptions {
  /** Accepted for rsyslog's sake and without effect: there is one implementation here. */
  readonly tlsLib?: "openssl" | "gnutls";
}

/** Where syslog comes in; `unix` is a datagram socket, `unix-stream` a stream socket. */
export type SyslogAddress =
  | { readonly transport: "udp" | "tcp" } & HostPort
  | { readonly transport: "tls" } & HostPort
  | { readonly transport: "unix" | "unix-stream"; readonly path: string };

/** Who we say we are to NATS; secrets are in files. At most one kind. */
export interface NatsCredentials {
  readonly user?: string;
  readonly passwordFile?: string;
  readonly tokenFile?: string;
  readonly credsFile?: string;
  readonly nkeyFile?: string;
}
