/**
 * The schema of the whole document. It reads what a person writes into {@linkcode AgentConfig}, and the JSON Schema and
 * the sample are made of it, so that neither can be wrong about a key.
 */
import { join } from "node:path";
import { z } from "zod";
import { keyTypes } from "../cert/keys.ts";
import { parseStatusAddress } from "./address.ts";
import type { AgentConfig, CertificateConfig, SinkConfig, SourceConfig, StatusConfig, TlsConfig } from "./config.ts";
import { defaultPorts, defaults, spoolDefaults, statusDefaults } from "./defaults.ts";
import { auditRulesSchema } from "./audit_rules.ts";
import { dumpSchema } from "./dump.ts";
import { issueText } from "./messages.ts";
import { complaintOfAccess } from "../status/server/access.ts";
import { checkRules } from "../rules/rule_set.ts";
import type { RedactSpec, RuleSpec } from "../rules/spec.ts";
import { redactSchema, rulesSchema, testsSchema } from "./rules.ts";
import { sinksSchema } from "./sinks.ts";
import { sourcesSchema } from "./sources.ts";
import { serverTlsSchema } from "./tls.ts";
import {
  choice,
  complain,
  described,
  duration,
  durationText,
  flag,
  given,
  type IssueContext,
  list,
  parsedText,
  size,
  sizeText,
  text,
} from "./values.ts";

const certificateSchema = z.strictObject({
  protocol: choice(["certifix", "est"], { about: "How certificates are asked for." }).prefault("certifix"),
  url: parsedText(parseUrl, { about: "Where they are asked for.", example: "https://loghost.example.net:19613/sign" }),
  ca: text({ about: "CA certificates (PEM) that sign that server's own.", example: "/etc/agent/ca.crt" })
    .exactOptional(),
  subject: parsedText(parseSubject, {
    about: "Subject of the certificate.",
    example: "C=GB,ST=London,O=Example,OU=devices,CN=${hostname}",
  }),
  san: list(z.string().min(1), {
    about: "Alternative names: DNS:, IP:, email:, URI:; default: the CN of the subject.",
    example: ["DNS:router1.example.net"],
  }).exactOptional(),
  keyType: choice(keyTypes, { about: "Kind of key; default: what the CA asks for, else ec-p256.", example: "ec-p256" })
    .exactOptional(),
  reuseKey: flag({ about: "Keep the key when the certificate is renewed." }).prefault(false),
  challengeFile: text({ about: "File with the challenge password.", example: "/etc/agent/challenge" }).exactOptional(),
  user: text({ about: "Name that goes with the password (est); default: the CN.", example: "router1" })
    .exactOptional(),
  exec: text({
    about: "Shell command after each change; CERTFILE, KEYFILE and CAFILE are set.",
    example: "systemctl reload nginx",
  }).exactOptional(),
  dir: text({ about: "Folder of key, cert and ca; default: cert below state.", example: "/var/lib/agent/cert" })
    .exactOptional(),
}).meta({ description: "The machine's own certificate: enrolled once, renewed for ever. Default for tls: below." });

const spoolSchema = z.strictObject({
  maxSize: size(1024 ** 2, 1024 ** 4, { about: "Disk space of the queue at the most." })
    .prefault(sizeText(spoolDefaults.maxBytes)),
  whenFull: choice(["block", "dropOldest", "dropNewest"], { about: "What is done when it is full; drops are counted." })
    .prefault(spoolDefaults.whenFull),
}).meta({ description: "The disk queue of sources that cannot be read again." });

const statusSchema = z.strictObject({
  listen: parsedText(parseStatusAddress, {
    about: "host:port or unix:PATH.",
  }).prefault(`127.0.0.1:${defaultPorts.status}`),
  tls: serverTlsSchema.exactOptional(),
  tokenFile: text({
    about: "File (mode 0600) with the tokens that callers show, one per line; made with a token if it is missing.",
    example: "/etc/agent/status.token",
  }).exactOptional(),
  hosts: list(parsedText(parseHostname, { about: "A name." }), {
    about: "More names that callers may use for this server; localhost, the host's own and addresses always are.",
    example: ["router1.example.net"],
  }).exactOptional(),
  textfile: text({
    about: "File that gets the metrics, for the textfile collector of node_exporter.",
    example: "/var/lib/node_exporter/agent.prom",
  }).exactOptional(),
  dump: z.strictObject({
    enabled: flag({ about: "Whether dumps can be asked for." }).prefault(true),
    profile: choice(["speed", "complete", "size"], {
      about: "Of dumps that name none; default: that of the key dump.",
      example: "speed",
    }).exactOptional(),
    keep: duration(60_000, 24 * 3_600_000, { about: "How long a finished dump can be fetched." })
      .prefault(durationText(statusDefaults.keepDumpMs)),
  }).meta({ description: "Dumps over HTTP, one at a time." }).prefault({}),
}).meta({ description: "The local HTTP server: page, metrics, live tail, dumps." });

const updateSchema = z.strictObject({
  publicKey: text({
    about: "Public key of minisign, or the file of one, that signs new versions; none: no updates.",
    example: "/etc/agent/agent.pub",
  }),
}).meta({ description: "What agent self-update trusts." });

/** The document, as read; the host's name is still to be filled in where the document has none. */
const documentSchema = z.strictObject({
  state: text({ about: "Folder of spool, checkpoints, certificates and the lock." }).prefault(defaults.state),
  hostname: parsedText(parseHostname, {
    about: "Name of this host in records; default: the system's.",
    example: "router1",
  })
    .exactOptional(),
  metadata: z.record(z.string().min(1), z.string()).meta(described({
    about: "Goes with every record.",
    example: { project: "garden-foo", shoot: "bar" },
  })).exactOptional(),
  certificate: certificateSchema.exactOptional(),
  sources: sourcesSchema,
  rules: rulesSchema.exactOptional(),
  redact: redactSchema.exactOptional(),
  sinks: sinksSchema,
  spool: spoolSchema.prefault({}),
  status: statusSchema.exactOptional(),
  update: updateSchema.exactOptional(),
  tests: testsSchema.exactOptional(),
  dump: dumpSchema.exactOptional(),
  auditRules: auditRulesSchema.exactOptional(),
}).transform((keys, context): ReadDocument => {
  const certificate = certificateOf(keys.certificate, keys.state);
  checkRuleSet(keys, context);
  return {
    state: keys.state,
    metadata: keys.metadata ?? {},
    sources: withCertificate(keys.sources, "sources", certificate, context),
    rules: keys.rules ?? [],
    redact: keys.redact ?? {},
    sinks: withCertificate(keys.sinks, "sinks", certificate, context),
    spool: { maxBytes: keys.spool.maxSize, whenFull: keys.spool.whenFull },
    tests: keys.tests ?? [],
    ...given({
      update: keys.update,
      hostname: keys.hostname,
      certificate,
      status: statusOf(keys.status, certificate, context),
      dump: keys.dump,
      auditRules: keys.auditRules,
    }),
  };
}).meta({ title: "Configuration of agent" });

/** A configuration whose hostname may still be missing. */
export type ReadDocument = Omit<AgentConfig, "hostname"> & { readonly hostname?: string };

/** Reads `data`. The mistakes of a failure have paths and the texts of `messages.ts`. */
export function parseDocument(data: unknown): z.ZodSafeParseResult<ReadDocument> {
  return documentSchema.safeParse(data, { error: issueText, reportInput: true });
}

/** The JSON Schema of the document, draft 2020-12, for editors. */
export function jsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(documentSchema, {
    io: "input",
    override: ({ zodSchema, jsonSchema }) => {
      // Zod drops the examples of what it transforms, because they may be of what comes out; ours are of what goes in.
      const examples = z.globalRegistry.get(zodSchema)?.examples;
      if (Array.isArray(examples)) jsonSchema.examples = examples;
    },
  });
}

/** What only the rules themselves can tell: whether all of it compiles, and whether the parts that it names are there. */
function checkRuleSet(
  keys: { rules?: RuleSpec[]; redact?: RedactSpec; metadata?: Record<string, string>; sources: object; sinks: object },
  context: IssueContext,
): void {
  const { rules, redact, metadata, sources, sinks } = keys;
  const parts = { sources: Object.keys(sources), sinks: Object.keys(sinks) };
  for (const { path, text } of checkRules(given({ rules, redact, metadata }), parts)) {
    complain(context, rules, text, path);
  }
}

type CertificateKeys = z.output<typeof certificateSchema>;

function certificateOf(keys: CertificateKeys | undefined, state: string): CertificateConfig | undefined {
  if (keys === undefined) return undefined;
  const { protocol, url, subject, reuseKey, dir, ca, challengeFile, san, keyType, user, exec } = keys;
  return {
    protocol,
    url,
    subject,
    reuseKey,
    folder: dir ?? join(state, defaults.certificateFolder),
    ...given({ ca, challengeFile, san, keyType, user, exec }),
  };
}

function statusOf(
  keys: z.output<typeof statusSchema> | undefined,
  certificate: CertificateConfig | undefined,
  context: IssueContext,
): StatusConfig | undefined {
  if (keys === undefined) return undefined;
  const { listen, tokenFile, hosts = [], textfile, dump: { enabled, profile, keep: keepMs } } = keys;
  const tls = keys.tls === undefined || certificate === undefined ? keys.tls : withFiles(keys.tls, certificate.folder);
  if (tls !== undefined && tls.cert === undefined) {
    complain(context, keys, "missing; a TLS server needs cert and key, or the key certificate", [
      "status",
      "tls",
      "cert",
    ]);
  }
  const complaint = complaintOfAccess({ listen, ...given({ tls, tokenFile }) });
  if (complaint !== undefined) complain(context, keys, complaint, ["status", "listen"]);
  return {
    listen,
    hosts,
    dump: { enabled, keepMs, ...given({ profile }) },
    ...given({ tls, tokenFile, textfile }),
  };
}

/** The machine's own certificate wherever TLS is on and no other is named; a server without any is a mistake. */
function withCertificate<T extends SourceConfig | SinkConfig>(
  parts: Readonly<Record<string, T>>,
  group: "sources" | "sinks",
  certificate: CertificateConfig | undefined,
  context: IssueContext,
): Record<string, T> {
  const complete = (name: string, part: T): T => {
    if (!("tls" in part) || part.tls === undefined) return part;
    const tls = certificate === undefined ? part.tls : withFiles(part.tls, certificate.folder);
    const isServer = group === "sources" && part.type !== "nats";
    if (isServer && tls.cert === undefined) {
      complain(context, part, "missing; a TLS server needs cert and key, or the key certificate", [
        group,
        name,
        "tls",
        "cert",
      ]);
    }
    if (isServer && tls.ca === undefined && (tls.permittedPeer.length > 0 || tls.authMode !== "name")) {
      complain(context, part, "missing; without ca nobody's certificate can be checked", [group, name, "tls", "ca"]);
    }
    return { ...part, tls };
  };
  return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, complete(name, part)]));
}

function withFiles(tls: TlsConfig, folder: string): TlsConfig {
  const pair = tls.cert === undefined ? { cert: join(folder, "cert"), key: join(folder, "key") } : {};
  return { ...tls, ...pair, ca: tls.ca ?? join(folder, "ca") };
}

function parseUrl(url: string): string {
  if (!/^https?:\/\/[^/\s]+/.test(url) || !URL.canParse(url)) {
    throw new Error("is not an address of a web service; allowed: https://host:port/path");
  }
  const { username, password } = new URL(url);
  if (username !== "" || password !== "") {
    throw new Error("has a user and a password in it; allowed: https://host:port/path");
  }
  return url;
}

function parseSubject(subject: string): string {
  if (!/^[A-Za-z][A-Za-z0-9.]*=[^\s]/.test(subject)) {
    throw new Error("is not a subject; allowed: pairs such as C=GB,O=Example,CN=router1");
  }
  return subject;
}

/** @see RFC 5424 section 6.2.4 */
function parseHostname(name: string): string {
  if (!/^[!-~]{1,255}$/.test(name)) {
    throw new Error("is not a host name; allowed: 1 to 255 printable ASCII characters without spaces");
  }
  return name;
}
