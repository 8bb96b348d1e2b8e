/** The keys of sources that listen for syslog, plain lines and RELP. */
import { z } from "zod";
import { parseHostPort, parseSyslogAddress } from "./address.ts";
import type { LinesSourceConfig, RelpSourceConfig, SyslogSourceConfig } from "./config.ts";
import { defaultPorts, relpSourceDefaults, sourceDefaults } from "./defaults.ts";
import { connectionsKey, maxLineKey, missingTls, priorityOf, recordKeys, splitLines } from "./source_keys.ts";
import { serverTlsSchema } from "./tls.ts";
import { choice, complain, count, duration, durationText, given, parsedText, size, sizeText } from "./values.ts";

const kib = 1024;

/** `type: syslog`. */
export const syslogSchema: z.ZodType<SyslogSourceConfig, unknown> = z.strictObject({
  type: z.literal("syslog").meta({ description: "A syslog server, RFC 3164 and RFC 5424." }),
  listen: parsedText(parseSyslogAddress, {
    about: "udp://host:port, tcp://host:port, tls://host:port (RFC 5425), unix:PATH (datagrams), unix-stream:PATH.",
    example: "tls://127.0.0.1:6514",
  }),
  tls: serverTlsSchema.exactOptional(),
  maxMessage: size(480, 16 * kib * kib, { about: "Longest message." }).prefault(sizeText(sourceDefaults.maxLineBytes)),
  maxConnections: connectionsKey,
  ...recordKeys,
}).transform((keys, context): SyslogSourceConfig => {
  const { type, listen, maxMessage: maxMessageBytes, maxConnections, tls, program } = keys;
  if (tls !== undefined && listen.transport !== "tls") {
    complain(context, keys, `has no TLS; write tls://host:port`, ["listen"]);
  }
  if (tls === undefined && listen.transport === "tls") complain(context, keys, missingTls, ["tls"]);
  return { type, listen, maxMessageBytes, maxConnections, priority: priorityOf(keys), ...given({ tls, program }) };
});

const linesKeys = {
  maxLine: maxLineKey(splitLines),
  maxConnections: connectionsKey,
  ...recordKeys,
};
const linesListen = parsedText((address) => parseHostPort(address, defaultPorts.streamTls), {
  about: "Address and port to listen on; 0.0.0.0 or [::] is every address.",
  example: "127.0.0.1:19612",
});

/** `type: tcp`. */
export const tcpSchema: z.ZodType<LinesSourceConfig, unknown> = z.strictObject({
  type: z.literal("tcp").meta({ description: "Plain lines over TCP, as socat or netcat send them." }),
  listen: linesListen,
  ...linesKeys,
}).transform((keys): LinesSourceConfig => linesSource(keys));

/** `type: tls`. */
export const tlsSchema: z.ZodType<LinesSourceConfig, unknown> = z.strictObject({
  type: z.literal("tls").meta({
    description: "Plain lines over TLS, as s6-tlsclient sends them; a client is known by its certificate.",
  }),
  listen: linesListen,
  tls: serverTlsSchema.exactOptional(),
  ...linesKeys,
}).transform((keys, context): LinesSourceConfig => {
  if (keys.tls === undefined) complain(context, keys, missingTls, ["tls"]);
  return linesSource(keys, keys.tls);
});

/** `type: relp`. */
export const relpSchema: z.ZodType<RelpSourceConfig, unknown> = z.strictObject({
  type: z.literal("relp").meta({ description: "A RELP server, as rsyslog's imrelp; answers when the sinks have it." }),
  listen: parsedText((address) => parseHostPort(address, defaultPorts.relp), {
    about: "Address and port to listen on; 0.0.0.0 or [::] is every address.",
    example: "127.0.0.1:2514",
  }),
  tls: serverTlsSchema.exactOptional(),
  maxDataSize: size(256, 128 * kib * kib, { about: "Longest message; see oversizeMode." })
    .prefault(sizeText(relpSourceDefaults.maxDataBytes)),
  oversizeMode: choice(["truncate", "abort", "accept"], {
    about: "What is done with a longer message: cut it, end the session, or take it all the same.",
  }).prefault(relpSourceDefaults.oversizeMode),
  maxSessions: count(1, 100_000, { about: "Sessions at once; more are turned away." })
    .prefault(relpSourceDefaults.maxSessions),
  idleTimeout: duration(0, 86_400_000, { about: "Silence that ends a session; 0s never." })
    .prefault(durationText(relpSourceDefaults.idleTimeoutMs)),
}).transform((keys): RelpSourceConfig => ({
  type: keys.type,
  listen: keys.listen,
  maxDataBytes: keys.maxDataSize,
  oversizeMode: keys.oversizeMode,
  maxSessions: keys.maxSessions,
  idleTimeoutMs: keys.idleTimeout,
  ...given({ tls: keys.tls }),
}));

function linesSource(
  keys: {
    readonly type: "tcp" | "tls";
    readonly listen: LinesSourceConfig["listen"];
    readonly maxLine: number;
    readonly maxConnections: number;
    readonly program?: string;
    readonly severity: number;
    readonly facility: number;
  },
  tls?: LinesSourceConfig["tls"],
): LinesSourceConfig {
  const { type, listen, maxLine: maxLineBytes, maxConnections, program } = keys;
  return { type, listen, maxLineBytes, maxConnections, priority: priorityOf(keys), ...given({ tls, program }) };
}
