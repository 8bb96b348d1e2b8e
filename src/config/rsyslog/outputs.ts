/** rsyslog's forwarding actions as sinks of the agent. */
import { named } from "./inputs.ts";
import type { ObjectStatement } from "./statements.ts";
import type { Part, Translation } from "./translation.ts";

/** TLS files that `global(…)` or `$DefaultNetstreamDriver…` name for every stream. */
export interface GlobalTls {
  ca?: string;
  cert?: string;
  key?: string;
  /** `$ActionSendStreamDriver…`, for the actions in the old form. */
  mode?: string;
  authMode?: string;
  permittedPeer?: string;
}

/** What an action is: a sink, something that stays with rsyslog, or nothing that is known. */
export type ActionResult = { readonly sink: string } | "local" | "unknown";

/** Translates `action(type="omrelp" …)`. */
export function translateAction(
  { parameters }: ObjectStatement,
  line: number,
  tls: GlobalTls,
  out: Translation,
): ActionResult {
  const first = (name: string): string | undefined => parameters.get(name)?.[0];
  const type = first("type") ?? "";
  if (localActions.has(type)) return "local";
  if (type !== "omrelp" && type !== "omfwd") return "unknown";
  for (const name of parameters.keys()) {
    if (!known.has(name) && !name.startsWith("queue.")) {
      out.note(line, `${type}: ${name} has no counterpart and is left out`);
    }
  }
  const spoolBytes = sizeOf(first("queue.maxdiskspace"));
  if (spoolBytes !== undefined) out.spoolBytes = Math.max(out.spoolBytes ?? 0, spoolBytes);
  if (first("queue.discardmark") !== undefined || first("queue.discardseverity") !== undefined) {
    out.note(line, `${type}: queue.discard… is not translated; see spool.whenFull and rules`);
  }
  const name = first("name") ?? first("target") ?? "loghost";
  const peers = parameters.get("tls.permittedpeer") ?? [];
  const part = type === "omrelp" ? relpSink(first, peers, line, out) : forwardSink(first, tls, line, out);
  return { sink: out.sink(name, { ...part, ...retry(first) }) };
}

/** Translates `@host`, `@@host:port`, `:omrelp:host:port`. */
export function translateLegacyAction(text: string, line: number, tls: GlobalTls, out: Translation): ActionResult {
  const relp = /^:omrelp:(\[[^\]]+\]|[^:;\s]+)(?::(\d+))?(?:;(\S+))?$/.exec(text);
  if (relp !== null) {
    const host = bare(relp[1]!);
    const values: Record<string, string | undefined> = { target: host, port: relp[2] ?? "514", template: relp[3] };
    return { sink: out.sink(host, relpSink((name) => values[name], [], line, out)) };
  }
  const forward = /^(@@?)(?:\(([^)]*)\))?(\[[^\]]+\]|[^:;\s]+)(?::(\d+))?(?:;(\S+))?$/.exec(text);
  if (forward === null) return /^[-/|:?~^]/.test(text) || text.startsWith("*") ? "local" : "unknown";
  const host = bare(forward[3]!);
  const values: Record<string, string | undefined> = {
    target: host,
    port: forward[4] ?? "514",
    protocol: forward[1] === "@@" ? "tcp" : "udp",
    template: forward[5],
    ...(forward[2]?.includes("o") === true ? { tcp_framing: "octet-counted" } : {}),
    ...(forward[1] === "@@" ? legacyTls(tls) : {}),
  };
  if (forward[2]?.includes("z") === true) out.note(line, "compression of forwarded messages is not translated");
  return { sink: out.sink(host, forwardSink((name) => values[name], tls, line, out)) };
}

type First = (name: string) => string | undefined;

function relpSink(first: First, peers: readonly string[], line: number, out: Translation): Part {
  const secured = first("tls")?.toLowerCase() === "on";
  return {
    type: "relp",
    target: first("target"),
    port: Number(first("port") ?? 514),
    ...named({
      windowSize: numberOf(first("windowsize")),
      timeout: seconds(first("timeout")),
      connectionTimeout: seconds(first("conn.timeout")),
      rebindInterval: numberOf(first("rebindinterval")),
      localAddress: first("localclientip"),
      template: templateOf(first("template"), "forward", line, out),
    }),
    ...(secured
      ? {
        tls: {
          enabled: true,
          ...named({
            authMode: first("tls.authmode"),
            permittedPeer: peers.length === 0 ? undefined : peers,
            ca: first("tls.cacert"),
            cert: first("tls.mycert"),
            key: first("tls.myprivkey"),
          }),
        },
      }
      : {}),
  };
}

function forwardSink(first: First, tls: GlobalTls, line: number, out: Translation): Part {
  const udp = (first("protocol") ?? "udp").toLowerCase() === "udp";
  const secured = !udp && first("streamdrivermode") === "1";
  const format = templateOf(first("template"), "rfc3164", line, out) ?? "rfc3164"; // omfwd's own default
  return {
    type: "syslog",
    target: first("target"),
    port: Number(first("port") ?? 514),
    ...(secured ? {} : { transport: udp ? "udp" : "tcp" }),
    format,
    ...named({
      framing: first("tcp_framing")?.toLowerCase() === "octet-counted"
        ? "octetCounted"
        : secured
        ? "newline"
        : undefined,
      localAddress: first("address"),
    }),
    ...(secured ? { tls: streamTls(first, tls, line, out) } : {}),
  };
}

function streamTls(first: First, tls: GlobalTls, line: number, out: Translation): Part {
  const mode = first("streamdriverauthmode")?.toLowerCase() ?? "anon";
  const authMode = { "x509/name": "name", "x509/fingerprint": "fingerprint", "x509/certvalid": "certvalid" }[mode];
  if (authMode === undefined) {
    out.note(line, `StreamDriverAuthMode ${mode} checks nobody; here the server's certificate and name are checked`);
  }
  const peers = first("streamdriverpermittedpeers") ?? first("streamdriverpermittedpeer");
  return {
    enabled: true,
    ...named({
      authMode,
      permittedPeer: peers?.split(",").map((peer) => peer.trim()),
      ca: first("streamdriver.cafile") ?? tls.ca,
      cert: first("streamdriver.certfile") ?? tls.cert,
      key: first("streamdriver.keyfile") ?? tls.key,
    }),
  };
}

function legacyTls({ mode, authMode, permittedPeer }: GlobalTls): Record<string, string | undefined> {
  return { streamdrivermode: mode, streamdriverauthmode: authMode, streamdriverpermittedpeers: permittedPeer };
}

function retry(first: First): Part {
  const count = numberOf(first("action.resumeretrycount"));
  const isRelp = first("type") === "omrelp";
  return named({
    resumeRetryCount: isRelp ? count : undefined,
    resumeInterval: seconds(first("action.resumeinterval")),
    resumeIntervalMax: seconds(first("action.resumeintervalmax")),
    reportSuspension: flag(first("action.reportsuspension")),
    reportSuspensionContinuation: flag(first("action.reportsuspensioncontinuation")),
  });
}

function templateOf(name: string | undefined, usual: string, line: number, out: Translation): string | undefined {
  if (name === undefined) return undefined;
  const format = templates.get(name.toLowerCase());
  if (format === undefined) out.note(line, `template "${name}" is not translated; ${usual} is used`);
  return format === usual ? undefined : format;
}

const templates: ReadonlyMap<string, string> = new Map([
  ["rsyslog_forwardformat", "forward"],
  ["rsyslog_syslogprotocol23format", "rfc5424"],
  ["rsyslog_traditionalforwardformat", "rfc3164"],
  ["syslogforwardertemplate", "gardener"],
]);

/** What is kept on the machine itself; rsyslog, or a `file` sink, goes on with it. */
const localActions: ReadonlySet<string> = new Set(["omfile", "omusrmsg", "ompipe", "omjournal", "omprog", "omdiscard"]);

/** Parameters that are translated, or say nothing that is needed here. */
const known: ReadonlySet<string> = new Set([
  ...["type", "name", "target", "port", "protocol", "template", "windowsize", "timeout", "conn.timeout"],
  ...["rebindinterval", "localclientip", "address", "tls", "tls.authmode", "tls.permittedpeer", "tls.cacert"],
  ...["tls.mycert", "tls.myprivkey", "tcp_framing", "streamdriver", "streamdrivermode", "streamdriverauthmode"],
  ...["streamdriverpermittedpeers", "streamdriverpermittedpeer", "streamdriver.cafile", "streamdriver.certfile"],
  ...["streamdriver.keyfile", "keepalive", "keepalive.time", "action.resumeretrycount", "action.resumeinterval"],
  ...["action.resumeintervalmax", "action.reportsuspension", "action.reportsuspensioncontinuation"],
]);

function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined || !/^-?\d+$/.test(text) ? undefined : Number(text);
}

function seconds(text: string | undefined): string | undefined {
  const value = numberOf(text);
  return value === undefined || value <= 0 ? undefined : `${value}s`;
}

function flag(text: string | undefined): boolean | undefined {
  return text === undefined ? undefined : text.toLowerCase() === "on";
}

/** Bytes of `48m`, `1g`, `4096`: rsyslog's sizes, powers of 1024. */
function sizeOf(text: string | undefined): number | undefined {
  const found = /^(\d+)([kmgt]?)$/i.exec(text ?? "");
  if (found === null) return undefined;
  return Number(found[1]) * 1024 ** ["", "k", "m", "g", "t"].indexOf(found[2]!.toLowerCase());
}
