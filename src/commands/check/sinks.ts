/** Whether sinks can be reached, as far as their protocol tells without sending a record. */
import { isIP } from "node:net";
import { lookup } from "node:dns/promises";
import project from "../../../deno.json" with { type: "json" };
import type {
  AgentConfig,
  NatsSinkConfig,
  NetworkSinkConfig,
  RelpSinkConfig,
  SinkConfig,
} from "../../config/config.ts";
import { pause } from "../../pipeline/backoff.ts";
import { errorText } from "../../pipeline/errors.ts";
import { deadLetterFiles, deadLetterFolder } from "../../spool/dead_letters.ts";
import { RelpSession } from "../../sinks/relp/session.ts";
import { dial, formatAddress } from "../../tls/dial.ts";
import { broken, type Finding, fine, warning } from "./finding.ts";
import { complaintOfFolder } from "./folder.ts";
import { checkHttpCredentials } from "./http_credentials.ts";

type NetworkPeer = Pick<RelpSinkConfig, "host" | "connectionTimeoutMs">;

/** Looks at every sink, all at the same time. */
export async function checkSinks(config: AgentConfig, signal: AbortSignal): Promise<readonly Finding[]> {
  const checks = Object.entries(config.sinks).map(async ([name, sink]) => [
    ...await checkSink(`sinks.${name}`, sink, signal),
    ...checkDeadLetters(`sinks.${name}`, deadLetterFolder(config.state, name)),
  ]);
  return (await Promise.all(checks)).flat();
}

/** What a sink could not deliver waits for a person. */
function checkDeadLetters(subject: string, folder: string): readonly Finding[] {
  try {
    if (deadLetterFiles(folder).length === 0) return [];
  } catch {
    return []; // a folder of another user's: the finding on the state folder tells
  }
  return [warning(subject, `it has dead letters in ${folder}`, "agent spool check --dead, and export or drop them")];
}

async function checkSink(subject: string, sink: SinkConfig, signal: AbortSignal): Promise<readonly Finding[]> {
  switch (sink.type) {
    case "relp":
      return await eachTarget(sink, (one) => checkRelpTarget(subject, one, signal));
    case "syslog":
    case "stream":
      return await eachTarget(sink, (one) => checkNetwork(subject, one, signal));
    case "elasticsearch":
    case "loki":
    case "otlp":
    case "victorialogs":
    case "http":
      return [
        ...checkHttpCredentials(subject, sink),
        ...await eachTarget(sink, (one) => checkNetwork(subject, { ...one, transport: "tcp" }, signal)),
      ];
    case "nats":
      return await checkNats(subject, sink);
    case "exec":
      return [fine(subject, `runs ${sink.command}`)];
    case "file": {
      const complaint = complaintOfFolder(sink.folder);
      if (complaint !== undefined) return [broken(`${subject}.dir`, complaint, "make it writable, or name another")];
      return [fine(`${subject}.dir`, `${sink.folder} can be written`)];
    }
    case "stdout":
      return [fine(subject, "writes to the standard output")];
  }
}

/** Looks at every server of a sink, not at the one alone that would be used now. */
async function eachTarget<S extends NetworkSinkConfig>(
  sink: S,
  check: (sink: S) => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  const others = (sink.fallbacks ?? []).map(({ host, port }) => ({ ...sink, host, port }));
  return (await Promise.all([sink, ...others].map(check))).flat();
}

async function checkRelpTarget(
  subject: string,
  sink: RelpSinkConfig,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const resolution = await checkName(`${subject}.target`, sink, signal);
  if (resolution?.severity === "error") return [resolution];
  return [...(resolution === undefined ? [] : [resolution]), await checkRelp(subject, sink, signal)];
}

/** Reaches a peer that never answers: the connection, and for TLS the proof of who it is. UDP tells nothing. */
async function checkNetwork(
  subject: string,
  sink: NetworkSinkConfig & { readonly transport: "tcp" | "tls" | "udp" },
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const resolution = await checkName(`${subject}.target`, sink, signal);
  if (resolution?.severity === "error") return [resolution];
  const findings = resolution === undefined ? [] : [resolution];
  const address = formatAddress(sink.host, sink.port);
  if (sink.transport === "udp") return [...findings, fine(subject, `${address} over UDP: nobody answers there`)];
  try {
    const { host, port, tls, connectionTimeoutMs: timeoutMs } = sink;
    const connection = await dial({ host, port, timeoutMs, ...(tls === undefined ? {} : { tls }) }, signal);
    connection.destroy();
    return [...findings, fine(subject, `${address} can be reached`)];
  } catch (error) {
    return [...findings, broken(subject, errorText(error), "start the server, or correct target and port")];
  }
}

/** Connects to the servers as the sink will, and asks for the stream; publishes nothing. */
async function checkNats(subject: string, sink: NatsSinkConfig): Promise<readonly Finding[]> {
  const { natsStreamSubjects } = await import("../../tls/nats.ts");
  try {
    const { server, subjects } = await natsStreamSubjects({ ...sink, name: "agent check" }, sink.stream);
    if (subjects !== undefined) {
      return [fine(subject, `${server} has stream ${sink.stream}, subjects ${subjects.join(", ")}`)];
    }
    if (sink.createReplicas !== undefined) return [fine(subject, `${server} can be reached; the stream will be made`)];
    return [broken(subject, `${server} has no stream "${sink.stream}"`, "make it, or set createStream")];
  } catch (error) {
    return [broken(subject, errorText(error), "start the servers, or correct target and port")];
  }
}

/** What the system makes of a name, IPv6 and IPv4 apart; undefined for what is an address already. */
async function checkName(subject: string, sink: NetworkPeer, signal: AbortSignal): Promise<Finding | undefined> {
  if (isIP(sink.host) !== 0) return undefined;
  const answers = await Promise.all(([6, 4] as const).map((family) => addressesOf(sink, family, signal)));
  const [ipv6, ipv4] = answers.map((answer) =>
    Array.isArray(answer) ? answer.join(", ") || "none" : "no answer in time"
  );
  const text = `${sink.host} is IPv6 ${ipv6}; IPv4 ${ipv4}`;
  if (answers.some((answer) => Array.isArray(answer) && answer.length > 0)) return fine(subject, text);
  return broken(
    subject,
    `"${sink.host}" has no address: IPv6 ${ipv6}, IPv4 ${ipv4}`,
    "correct it, or look at /etc/resolv.conf",
  );
}

async function addressesOf(
  { host, connectionTimeoutMs }: NetworkPeer,
  family: 4 | 6,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const done = new AbortController();
  const found = lookup(host, { all: true, family }).then(
    (answers) => [...new Set(answers.map(({ address }) => address))],
    () => [],
  );
  try {
    return await Promise.race([found, pause(connectionTimeoutMs, signal, done.signal).then(() => undefined)]);
  } finally {
    done.abort();
  }
}

/** Connects, shakes hands and opens a RELP session, as the sink will; sends nothing else and says goodbye. */
async function checkRelp(subject: string, sink: RelpSinkConfig, signal: AbortSignal): Promise<Finding> {
  const { host, port, tls, connectionTimeoutMs, localAddress } = sink;
  const address = formatAddress(host, port);
  try {
    const connection = await dial({
      host,
      port,
      timeoutMs: connectionTimeoutMs,
      ...(tls === undefined ? {} : { tls }),
      ...(localAddress === undefined ? {} : { localAddress }),
    }, signal);
    const session = await RelpSession.open(connection, {
      windowSize: 1,
      timeoutMs: connectionTimeoutMs,
      version: project.version,
    });
    await session.close(1_000);
    return fine(
      subject,
      `${address} answers RELP${tls === undefined ? "" : " over TLS, and may receive by its certificate"}`,
    );
  } catch (error) {
    return broken(subject, errorText(error), adviceFor(errorText(error), tls !== undefined));
  }
}

function adviceFor(text: string, secured: boolean): string {
  if (/refused|EHOSTUNREACH|ENETUNREACH/.test(text)) return "start the server, or correct target and port";
  if (/certificate|permitted/.test(text)) return "look at tls.ca and tls.permittedPeer";
  if (/no answer|within/.test(text)) return "look at firewalls on the way";
  return `is it a RELP server, and does it expect ${secured ? "TLS" : "no TLS"}?`;
}
