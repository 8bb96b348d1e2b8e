/** The keys that sinks share: when to try again, and, over a network, whom to reach and how. */
import { complaintOfHost, parseHostPort } from "./address.ts";
import type { HostPort, NetworkSinkConfig, RetryConfig, TlsConfig } from "./config.ts";
import { networkSinkDefaults, retryDefaults } from "./defaults.ts";
import { clientTlsSchema } from "./tls.ts";
import {
  complain,
  count,
  duration,
  durationText,
  flag,
  given,
  type IssueContext,
  parsedText,
  size,
  sizeText,
  textOrTexts,
} from "./values.ts";

const second = 1_000;
const day = 86_400 * second;
const kib = 1024;

/** When to try again, and what to say meanwhile: the keys that all sinks have. */
export const retryKeys = {
  resumeInterval: duration(10, day, { about: "First pause before trying again; the pauses double, with jitter." })
    .prefault(durationText(retryDefaults.backoff.firstMs)),
  resumeIntervalMax: duration(10, day, { about: "Longest pause before trying again." })
    .prefault(durationText(retryDefaults.backoff.maxMs)),
  reportSuspension: flag({ about: "Whether the log says that the sink goes down and comes back." })
    .prefault(retryDefaults.reportSuspension),
  reportSuspensionContinuation: flag({ about: "Whether the log says every failed try, too." })
    .prefault(retryDefaults.reportSuspensionContinuation),
  resumeRetryCount: count(-1, 1_000_000, {
    about: "Failed tries in a row after which records go to the dead letters; -1: for ever, and none goes there.",
  }).prefault(retryDefaults.aside.resumeRetryCount),
  deadLetters: size(64 * kib, 1024 ** 4, {
    about: "Room for dead letters (state/dead) of this sink; the oldest go when it is full.",
  }).prefault(sizeText(retryDefaults.aside.maxBytes)),
};

/** Keys of sinks whose peer is reached over a network. */
export const networkKeys = {
  target: textOrTexts(parseTargets, "a host, or a list of host:port", {
    about: "Host name or IP address of the server; or [host:port, …]: the first that can be reached, in this order.",
    example: "loghost.example.net",
  }),
  tls: clientTlsSchema.exactOptional(),
  timeout: duration(second, day, { about: "Time in which the server takes nothing that ends the connection." })
    .prefault(durationText(networkSinkDefaults.timeoutMs)),
  connectionTimeout: duration(100, 600 * second, { about: "Deadline for connecting, TLS included." })
    .prefault(durationText(networkSinkDefaults.connectionTimeoutMs)),
  keepAlive: duration(second, day, { about: "Idle time before the first TCP keepalive probe." })
    .prefault(durationText(networkSinkDefaults.keepAliveMs)),
  localAddress: parsedText(parseHost, { about: "Source address; default: the system's choice.", example: "192.0.2.7" })
    .exactOptional(),
  ...retryKeys,
};

/** The keys that all sinks have, read. */
export interface RetryKeys {
  readonly resumeInterval: number;
  readonly resumeIntervalMax: number;
  readonly reportSuspension: boolean;
  readonly reportSuspensionContinuation: boolean;
  readonly resumeRetryCount: number;
  readonly refusedRetryCount?: number;
  readonly deadLetters: number;
}

/** What the keys of all sinks say. */
export function retryOf(keys: RetryKeys, context: IssueContext): RetryConfig {
  if (keys.resumeIntervalMax < keys.resumeInterval) {
    complain(context, keys, "is shorter than resumeInterval; allowed: that or more", ["resumeIntervalMax"]);
  }
  return {
    backoff: { firstMs: keys.resumeInterval, maxMs: keys.resumeIntervalMax },
    reportSuspension: keys.reportSuspension,
    reportSuspensionContinuation: keys.reportSuspensionContinuation,
    aside: {
      resumeRetryCount: keys.resumeRetryCount,
      refusedRetryCount: keys.refusedRetryCount ?? retryDefaults.aside.refusedRetryCount,
      maxBytes: keys.deadLetters,
    },
  };
}

/** The keys that sinks over a network share, as schemas. */
export type NetworkSchemas = typeof networkKeys;

/** The same, read. */
export interface NetworkKeys extends RetryKeys {
  /** Port 0 where none is given. */
  readonly target: readonly HostPort[];
  readonly port?: number;
  readonly tls?: TlsConfig | undefined;
  readonly timeout: number;
  readonly connectionTimeout: number;
  readonly keepAlive: number;
  readonly localAddress?: string;
}

/** What the keys of a sink over a network say; `defaultPort` undefined: the user must name one. */
export function networkOf(
  keys: NetworkKeys,
  defaultPort: number | undefined,
  context: IssueContext,
): NetworkSinkConfig {
  const [first, ...fallbacks] = targetsOf(keys, defaultPort, context);
  const { host, port } = first ?? { host: "", port: 0 }; // complained of
  return {
    host,
    port,
    timeoutMs: keys.timeout,
    connectionTimeoutMs: keys.connectionTimeout,
    keepAliveMs: keys.keepAlive,
    ...(fallbacks.length === 0 ? {} : { fallbacks }),
    ...retryOf(keys, context),
    ...given({
      localAddress: keys.localAddress,
      tls: fallbacks.length === 0 ? withTarget(keys.tls, host) : keys.tls, // of several, each is asked for its own name
    }),
  };
}

/** The servers of a sink, the one that is wanted first. */
function targetsOf(
  { target, port: commonPort }: NetworkKeys,
  defaultPort: number | undefined,
  context: IssueContext,
): readonly HostPort[] {
  const otherPort = commonPort ?? defaultPort;
  if (otherPort === undefined && target.some(({ port }) => port === 0)) complain(context, target, "missing", ["port"]);
  return target.map(({ host, port }) => ({ host, port: port === 0 ? otherPort ?? 0 : port }));
}

function withTarget(tls: TlsConfig | undefined, target: string): TlsConfig | undefined {
  if (tls === undefined || tls.authMode !== "name" || tls.permittedPeer.length > 0) return tls;
  return { ...tls, permittedPeer: [target] };
}

function parseTargets(given: string | readonly string[]): readonly HostPort[] {
  if (typeof given === "string") return [{ host: parseHost(given), port: 0 }];
  return given.map((text) => parseHostPort(text, 0));
}

function parseHost(host: string): string {
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  const complaint = complaintOfHost(bare);
  if (complaint !== undefined) throw new Error(`${complaint}; the port has a key of its own`);
  return bare;
}
