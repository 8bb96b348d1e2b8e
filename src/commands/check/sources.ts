/** Whether sources can be read and addresses can be listened on. */
import { dirname } from "node:path";
import type {
  AgentConfig,
  FileSourceConfig,
  ForwardSourceConfig,
  HostPort,
  KubernetesAuditSourceConfig,
  SourceConfig,
  TlsConfig,
  WebhookSourceConfig,
} from "../../config/config.ts";
import { errorText } from "../../pipeline/errors.ts";
import { Discovery } from "../../sources/file/discovery.ts";
import { readSharedKeys } from "../../sources/forward/shared_key.ts";
import { isLocal } from "../../sources/webhook/access.ts";
import { TokenFile } from "../../system/token_file.ts";
import { formatAddress } from "../../tls/dial.ts";
import { checkAuditPolicy } from "./audit_policy.ts";
import { broken, type Finding, fine, warning } from "./finding.ts";
import { complaintOfFolder } from "./folder.ts";

/** Looks at every source. */
export function checkSources(config: AgentConfig): readonly Finding[] {
  return Object.entries(config.sources).flatMap(([name, source]) => checkSource(`sources.${name}`, source));
}

function checkSource(subject: string, source: SourceConfig): readonly Finding[] {
  switch (source.type) {
    case "file":
      return checkFiles(subject, source);
    case "kernel":
      return [checkDevice(subject, "/dev/kmsg")];
    case "journal":
      return [checkProgram(subject, "journalctl")];
    case "audit":
      if (source.socket !== undefined) return [checkDevice(subject, source.socket)];
      return checkFiles(subject, { include: source.include, exclude: [] });
    case "kubernetesAudit":
      return [
        ...checkAuditEvents(subject, source),
        ...(source.policyFile === undefined ? [] : checkAuditPolicy(`${subject}.policyFile`, source.policyFile)),
      ];
    case "stdin":
      return [fine(subject, "reads the standard input")];
    case "tap":
      return [checkSocket(subject, source.socket)];
    case "relp":
    case "tcp":
    case "tls":
      return [checkPort(subject, source.listen, "tcp"), ...checkStrangers(subject, source)];
    case "nats":
      return [fine(subject, `reads stream ${source.stream} as ${source.consumer}`)];
    case "webhook":
      if ("path" in source.listen) return [checkSocket(subject, source.listen.path)];
      return [checkPort(subject, source.listen, "tcp"), ...checkCallers(subject, source)];
    case "forward":
      return checkForward(subject, source);
    case "syslog":
      if ("path" in source.listen) return [checkSocket(subject, source.listen.path)];
      return [
        checkPort(subject, source.listen, source.listen.transport === "udp" ? "udp" : "tcp"),
        ...checkStrangers(subject, source),
      ];
  }
}

function checkAuditEvents(subject: string, source: KubernetesAuditSourceConfig): readonly Finding[] {
  const { webhook, include, tls } = source;
  if (webhook === undefined) return checkFiles(subject, { include, exclude: [] });
  if ("path" in webhook.listen) return [checkSocket(subject, webhook.listen.path)];
  const callers = { ...webhook, ...(tls === undefined ? {} : { tls }) };
  return [checkPort(subject, webhook.listen, "tcp"), ...checkCallers(subject, callers)];
}

/** Whether TLS asks clients who they are. */
function checkStrangers(subject: string, { tls }: { readonly tls?: TlsConfig }): readonly Finding[] {
  if (tls === undefined || tls.ca !== undefined) return [];
  return [
    warning(`${subject}.tls.ca`, "missing: clients are not asked for a certificate", "name the CA that signs them"),
  ];
}

/** Whether the forward protocol can be served, and whether clients show who they are. */
function checkForward(subject: string, { listen, tls, sharedKeyFile }: ForwardSourceConfig): readonly Finding[] {
  const key = sharedKeyFile === undefined ? [] : [checkSharedKey(`${subject}.sharedKeyFile`, sharedKeyFile)];
  if ("path" in listen) return [checkSocket(subject, listen.path), ...key];
  const findings = [checkPort(subject, listen, "tcp"), ...key];
  if (isLocal(listen) || sharedKeyFile !== undefined || tls?.ca !== undefined) return findings;
  const advice = "set sharedKeyFile or tls.ca, unless the network keeps others out";
  return [...findings, warning(subject, "anybody who reaches it can send", advice)];
}

function checkSharedKey(subject: string, path: string): Finding {
  try {
    readSharedKeys(path);
    return fine(subject, `"${path}" can be used`);
  } catch (error) {
    return broken(subject, errorText(error), "make it with mode 0600");
  }
}

/** Who may push to a webhook. */
function checkCallers(
  subject: string,
  { listen, tls, tokenFile }: Pick<WebhookSourceConfig, "listen" | "tls" | "tokenFile">,
): readonly Finding[] {
  const findings = tokenFile === undefined ? [] : [checkToken(`${subject}.tokenFile`, tokenFile)];
  if (isLocal(listen) || tls?.ca !== undefined || tokenFile !== undefined) return findings;
  return [broken(subject, "anybody could push", "listen on 127.0.0.1, or set tls.ca or tokenFile")];
}

function checkToken(subject: string, path: string): Finding {
  try {
    new TokenFile(path, () => {});
    return fine(subject, `"${path}" can be used`);
  } catch (error) {
    return broken(subject, errorText(error), "make it with mode 0600");
  }
}

function checkProgram(subject: string, program: string): Finding {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  const found = folders.map((folder) => `${folder}/${program}`).find((path) => complaintOfFile(path) === undefined);
  if (found !== undefined) return fine(subject, `runs ${found}`);
  return broken(subject, `there is no "${program}" here`, "install systemd's tools, or remove the source");
}

function checkFiles(
  subject: string,
  { include, exclude }: Pick<FileSourceConfig, "include" | "exclude">,
): readonly Finding[] {
  const empty = include.filter((pattern) => (new Discovery([pattern], exclude).scan(true) ?? []).length === 0);
  const findings = empty.map((pattern) =>
    warning(`${subject}.include`, `"${pattern}" matches no file now`, "correct it, unless such a file is still to come")
  );
  const discovery = new Discovery(include, exclude);
  const found = discovery.scan(true) ?? [];
  const refused = found.map(({ path }) => [path, complaintOfFile(path)] as const).filter(([, why]) =>
    why !== undefined
  );
  for (const [path, reason] of discovery.unreadable) {
    findings.push(broken(subject, `folder "${path}" cannot be listed: ${reason}`, "let this user read and enter it"));
  }
  for (const [path, reason] of refused.slice(0, maxNamed)) {
    findings.push(broken(subject, `"${path}" cannot be read: ${reason}`, "let this user read it, or exclude it"));
  }
  if (refused.length > maxNamed) {
    const more = refused.length - maxNamed;
    findings.push(broken(subject, `${more} more files cannot be read`, "let this user read them, or exclude them"));
  }
  const readable = found.length - refused.length;
  return readable === 0 ? findings : [...findings, fine(subject, `${readable} files can be read`)];
}

/** Files that are named one by one; more are counted. */
const maxNamed = 10;

function complaintOfFile(path: string): string | undefined {
  try {
    Deno.openSync(path, { read: true }).close();
    return undefined;
  } catch (error) {
    return errorText(error).replace(`: open '${path}'`, "");
  }
}

function checkDevice(subject: string, path: string): Finding {
  const complaint = complaintOfFile(path);
  if (complaint === undefined) return fine(subject, `${path} can be read`);
  return broken(subject, `"${path}" cannot be read: ${complaint}`, "run as root, or with the capability CAP_SYSLOG");
}

function checkSocket(subject: string, path: string): Finding {
  const complaint = complaintOfFolder(dirname(path));
  if (complaint === undefined) return fine(subject, `a socket can be made at ${path}`);
  return broken(subject, complaint, "make the folder writable, or name another path");
}

function checkPort(subject: string, { host, port }: HostPort, transport: "tcp" | "udp"): Finding {
  const address = formatAddress(host, port);
  try {
    if (transport === "tcp") Deno.listen({ hostname: host, port }).close();
    else Deno.listenDatagram({ hostname: host, port, transport: "udp" }).close();
    return fine(subject, `${address} is free`);
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) {
      return warning(subject, `${address} is in use`, "stop the other program, unless it is this very agent");
    }
    const advice = port < 1_024
      ? "ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another"
      : "name an address of this machine";
    return broken(subject, `cannot listen on ${address}: ${errorText(error)}`, advice);
  }
}
