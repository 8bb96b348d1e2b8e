/** The keys of the sink and of the source whose peer is a NATS JetStream. */
import { z } from "zod";
import { complaintOfTemplate, parseNatsName } from "../formats/nats_subject.ts";
import type { HostPort, NatsCredentials, NatsSinkConfig, NatsSourceConfig, TlsConfig } from "./config.ts";
import { defaultPorts, defaultPriority, natsDefaults } from "./defaults.ts";
import type { NetworkParts } from "./http_sinks.ts";
import {
  choice,
  complain,
  count,
  duration,
  durationText,
  given,
  type IssueContext,
  numberOrText,
  parsedText,
  text,
} from "./values.ts";

const second = 1_000;
const day = 86_400 * second;

/** Who we say we are; the file is read at each connection. */
const credentialKeys = {
  auth: choice(["password", "token", "creds", "nkey"], {
    about:
      "What secretFile holds: the password of user, a token, what nsc writes of a user (JWT and seed), an nkey's seed.",
    example: "password",
  }).exactOptional(),
  user: text({ about: "User name, with auth: password.", example: "agent" }).exactOptional(),
  secretFile: text({ about: "File (mode 0600) with the secret.", example: "/etc/agent/nats.secret" }).exactOptional(),
};

const streamKey = parsedText(parseNatsName, { about: "Name of the stream.", example: "LOGS" });

/** `type: nats` of sinks. */
export function natsSinkSchema({ keys: network, read }: NetworkParts): z.ZodType<NatsSinkConfig, unknown> {
  const { keepAlive: _keepAlive, localAddress: _localAddress, ...keysOfNats } = network; // the client has pings of its own
  return z.strictObject({
    type: z.literal("nats").meta({ description: "A stream of NATS JetStream; confirmed when its replicas have it." }),
    port: count(1, 65_535, { about: "Port of the servers; default: 4222.", example: 4222 }).exactOptional(),
    stream: streamKey,
    subject: parsedText(parseTemplate, {
      about: "Subject, with {host}, {program}, {source}; default: what the stream's first subject suggests.",
      example: "logs.{host}.{program}",
    }).exactOptional(),
    createStream: numberOrText(parseReplicas, "1 to 5", {
      about:
        "Make the stream, with so many replicas and subjects STREAM.>, where there is none; 0: a missing one is an error.",
    }).prefault(0),
    ...credentialKeys,
    ...keysOfNats,
  }).transform((keys, context): NatsSinkConfig => {
    const { fallbacks = [], host, port, ...rest } = read({ ...keys, keepAlive: 0 }, defaultPorts.nats, context);
    checkTls(keys.tls, keys.target, context);
    return {
      type: keys.type,
      stream: keys.stream,
      servers: [{ host, port }, ...fallbacks],
      ...rest,
      ...given({
        subject: keys.subject,
        createReplicas: keys.createStream === 0 ? undefined : keys.createStream,
        credentials: credentialsOf(keys, context),
      }),
    };
  });
}

/** `type: nats` of sources. */
export function natsSourceSchema(network: NetworkParts["keys"]): z.ZodType<NatsSourceConfig, unknown> {
  const { target, tls, connectionTimeout } = network;
  return z.strictObject({
    type: z.literal("nats").meta({
      description: "A stream of NATS JetStream; agents with one consumer share its messages.",
    }),
    target,
    port: count(1, 65_535, { about: "Port of the servers; default: 4222.", example: 4222 }).exactOptional(),
    stream: streamKey,
    consumer: parsedText(parseNatsName, { about: "Name of the durable consumer; made where there is none." })
      .prefault(natsDefaults.consumer),
    filter: text({ about: "Only messages of this subject; * and > stand for tokens.", example: "logs.router1.>" })
      .exactOptional(),
    ackWait: duration(second, day, {
      about: "Time after which a message that no agent has answered goes to another; for a consumer that is made.",
    }).prefault(durationText(natsDefaults.ackWaitMs)),
    tls,
    connectionTimeout,
    ...credentialKeys,
  }).transform((keys, context): NatsSourceConfig => {
    checkTls(keys.tls, keys.target, context);
    const port = keys.port ?? defaultPorts.nats;
    return {
      type: keys.type,
      stream: keys.stream,
      consumer: keys.consumer,
      servers: keys.target.map((one: HostPort) => one.port === 0 ? { ...one, port } : one),
      ackWaitMs: keys.ackWait,
      connectionTimeoutMs: keys.connectionTimeout,
      priority: defaultPriority,
      ...given({ filter: keys.filter, tls: keys.tls, credentials: credentialsOf(keys, context) }),
    };
  });
}

/** The NATS client checks a server's name as the web does; our other ways of recognising a peer do not apply. */
function checkTls(tls: TlsConfig | undefined, hosts: readonly HostPort[], context: IssueContext): void {
  if (tls === undefined) return;
  if (tls.authMode !== "name") {
    complain(context, tls, `"${tls.authMode}" is not for nats; allowed: name`, ["tls", "authMode"]);
  }
  const other = tls.permittedPeer.find((peer) => !hosts.some(({ host }) => host === peer));
  if (other !== undefined) {
    complain(context, tls, `"${other}" is none of target; allowed for nats: these`, ["tls", "permittedPeer"]);
  }
}

interface CredentialKeys {
  readonly auth?: "password" | "token" | "creds" | "nkey";
  readonly user?: string;
  readonly secretFile?: string;
}

function credentialsOf({ auth, user, secretFile }: CredentialKeys, context: IssueContext): NatsCredentials | undefined {
  if (auth === undefined && user === undefined && secretFile === undefined) return undefined;
  const missing = (key: string): void => complain(context, user, "missing; auth and secretFile go together", [key]);
  if (auth === undefined) missing("auth");
  if (secretFile === undefined) missing("secretFile");
  if (auth === "password" && user === undefined) complain(context, user, "missing; auth: password has one", ["user"]);
  if (auth !== "password" && user !== undefined) complain(context, user, "goes with auth: password alone", ["user"]);
  switch (auth) {
    case "token":
      return { tokenFile: secretFile! };
    case "creds":
      return { credsFile: secretFile! };
    case "nkey":
      return { nkeyFile: secretFile! };
    default:
      return { ...given({ user }), passwordFile: secretFile! };
  }
}

function parseTemplate(template: string): string {
  const complaint = complaintOfTemplate(template);
  if (complaint !== undefined) throw new Error(complaint);
  return template;
}

function parseReplicas(value: number | string): number {
  const replicas = Number(value);
  if (!(Number.isInteger(replicas) && replicas >= 0 && replicas <= 5)) {
    throw new Error(`${value} is not allowed; allowed: 0 to 5`);
  }
  return replicas;
}
