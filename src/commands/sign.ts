/** `agent sign`: the signing end of certifix and EST, its CA, and what it issued. */
import { hostname } from "node:os";
import type { Alternative } from "../cert/alternatives.ts";
import { parseAlternative } from "../cert/alternatives.ts";
import { signingApp } from "../cert/authority/app.ts";
import { Authority } from "../cert/authority/authority.ts";
import { Challenges } from "../cert/authority/challenges.ts";
import { IssueLog } from "../cert/authority/issue_log.ts";
import { RateLimit } from "../cert/authority/rate_limit.ts";
import { refreshRevocationList } from "../cert/authority/revocation.ts";
import { openSigningServer, type SigningServer } from "../cert/authority/server.ts";
import { servicePair } from "../cert/authority/service_pair.ts";
import { Signer } from "../cert/authority/signer.ts";
import { titleOf } from "../cert/certificate.ts";
import { parseName } from "../cert/name.ts";
import { parseHostPort } from "../config/address.ts";
import { parseDurationMs } from "../formats/duration.ts";
import { pause } from "../pipeline/backoff.ts";
import { errorText, UsageError } from "../pipeline/errors.ts";
import { openLog } from "../system/log.ts";
import type { CommandContext } from "./context.ts";
import { collectValues, newCommand, parseOptions } from "./options.ts";
import { runList, runRevoke } from "./sign_records.ts";
import { usage } from "./words.ts";

interface SignWords {
  readonly dir: string;
  readonly init?: boolean;
  readonly listen?: string;
  readonly challengeFile?: string;
  readonly deviceChallenges?: string;
  readonly name?: readonly string[];
  readonly subject: string;
  readonly caLifetime: string;
  readonly lifetime: string;
  readonly backdate: string;
  readonly allowSubject?: readonly string[];
  readonly allowSan?: readonly string[];
  readonly allowServerAuth?: boolean;
  readonly rate: string;
  readonly maxConnections: string;
}

const example = `agent sign --init --dir /var/lib/agent/ca --listen 0.0.0.0:19613 --challenge-file /etc/agent/challenge
agent sign list --dir /var/lib/agent/ca
agent sign revoke 4f1c…9a --dir /var/lib/agent/ca --reason keyCompromise`;

/** Makes a CA, serves, lists or revokes. */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  if (words[0] === "list") return runList(words.slice(1), context);
  if (words[0] === "revoke") return runRevoke(words.slice(1), context);
  const command = newCommand("sign", "Signs certificates for devices (certifix and EST); also: list, revoke.", example)
    .requiredOption("--dir <dir>", "folder of the CA")
    .option("--init", "make a CA where there is none")
    .option("--listen <host:port>", "serve there; devices use https://host:port/sign")
    .option("--challenge-file <file>", "first line: the secret that all devices share")
    .option("--device-challenges <file>", "lines NAME:SECRET, each for one device and one key")
    .option("--name <name>", "name or address that devices call this service by; several times", collectValues)
    .option("--subject <name>", "subject of a new CA", "CN=agent CA")
    .option("--ca-lifetime <duration>", "life of a new CA", "3650d")
    .option("--lifetime <duration>", "life of certificates", "30d")
    .option("--backdate <duration>", "how far they begin in the past", "1h")
    .option(
      "--allow-subject <pattern>",
      "subjects that are signed, `*` in values; several times; default: any",
      collectValues,
    )
    .option("--allow-san <pattern>", "alternative names besides the CN, as *.devices.lab; several times", collectValues)
    .option("--allow-server-auth", "also sign certificates for TLS servers")
    .option("--rate <number>", "requests per minute and address; 0: no limit", "60")
    .option("--max-connections <number>", "connections at once", "512");
  const parsed = parseOptions<SignWords>(command, words, context);
  if (parsed === undefined) return 0;
  const { options } = parsed;
  if (options.listen === undefined && options.init !== true) {
    throw new UsageError("--listen is missing\nTry: agent sign --help");
  }
  if (options.init === true) await initialise(options);
  if (options.listen !== undefined) await serve(options, options.listen, context);
  return 0;
}

async function initialise(options: SignWords): Promise<void> {
  const subject = usage("--subject", () => parseName(options.subject));
  const lifetimeMs = usage("--ca-lifetime", () => parseDurationMs(options.caLifetime));
  const { authority, made } = await Authority.init(options.dir, subject, lifetimeMs, Date.now());
  log.info(
    `${made ? "made" : "there is already"} CA ${
      titleOf(authority.certificate)
    }; give ${options.dir}/ca.crt to the devices`,
  );
}

async function serve(options: SignWords, listen: string, context: CommandContext): Promise<void> {
  const { host, port } = usage("--listen", () => parseHostPort(listen));
  if (options.challengeFile === undefined && options.deviceChallenges === undefined) {
    throw new UsageError("no challenge is named\nTry: --challenge-file FILE, --device-challenges FILE, or both");
  }
  const authority = Authority.open(options.dir);
  using issueLog = new IssueLog(options.dir);
  const signer = new Signer({
    authority,
    log: issueLog,
    challenges: new Challenges({
      ...(options.challengeFile === undefined ? {} : { shared: options.challengeFile }),
      ...(options.deviceChallenges === undefined ? {} : { devices: options.deviceChallenges }),
    }),
    policy: {
      subjects: (options.allowSubject ?? []).map((text) => usage("--allow-subject", () => parseName(text))),
      alternatives: options.allowSan ?? [],
      serverAuth: options.allowServerAuth === true,
      lifetimeMs: usage("--lifetime", () => atLeastASecond(parseDurationMs(options.lifetime))),
      backdateMs: usage("--backdate", () => parseDurationMs(options.backdate)),
    },
  });
  const hosts = serviceNames(options.name, host);
  const app = signingApp(signer, new RateLimit(count("--rate", options.rate, 0)));
  await using server = await openSigningServer(app, await servicePair(authority, hosts, Date.now(), context.signal), {
    host,
    port,
    maxBodyBytes: 64 * 1024,
    maxConnections: count("--max-connections", options.maxConnections, 1),
    requestTimeoutMs: 10_000,
  });
  log.info(`listening on ${server.address}, for ${hosts.map(({ value }) => value).join(", ")}`);
  await maintain(authority, issueLog, server, hosts, context.signal);
}

/** Keeps the service's certificate and the revocation list fresh until told to stop. */
async function maintain(
  authority: Authority,
  issueLog: IssueLog,
  server: SigningServer,
  hosts: readonly Alternative[],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      refreshRevocationList(authority, issueLog, Date.now());
      server.usePair(await servicePair(authority, hosts, Date.now(), signal));
    } catch (error) {
      log.error(`Cannot refresh the service's certificate and revocation list: ${errorText(error)}`);
    }
    await pause(12 * 3_600_000, signal);
  }
}

/** What devices may call the service: what is named, else the host that is listened on and this machine's names. */
function serviceNames(names: readonly string[] | undefined, host: string): readonly Alternative[] {
  if (names !== undefined) return names.map((text) => usage("--name", () => parseAlternative(text)));
  const wild = ["0.0.0.0", "::", ""].includes(host);
  const texts = [...(wild ? [] : [host]), hostname(), "localhost", "127.0.0.1", "::1"];
  return [...new Set(texts)].flatMap((text) => {
    try {
      return [parseAlternative(text)];
    } catch {
      return []; // a machine may have a name that no certificate can hold
    }
  });
}

function count(option: string, text: string, least: number): number {
  if (!/^\d{1,7}$/.test(text) || Number(text) < least) {
    throw new UsageError(`${option}: "${text}" is no number from ${least} on`);
  }
  return Number(text);
}

function atLeastASecond(durationMs: number): number {
  if (durationMs < 1_000) throw new Error("a certificate lives a second at least");
  return durationMs;
}

const log = openLog("sign");
