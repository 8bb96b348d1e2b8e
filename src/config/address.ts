/** Addresses as people write them: `host`, `host:port`, `[2001:db8::1]:2514`, `unix:/run/x.sock`. Pure. */
import type { HostPort, SyslogAddress } from "./config.ts";
import { defaultPorts } from "./defaults.ts";

/**
 * The host and port of `text`.
 * @param defaultPort taken where the text names none; undefined: a port is demanded
 * @throws with what is wrong and what is allowed
 */
export function parseHostPort(text: string, defaultPort?: number): HostPort {
  const match = /^(?:\[([^\][]*)\]|([^:[\]]*))(?::([^:]*))?$/.exec(text);
  if (match === null) throw new Error(badAddress(text));
  const host = match[1] ?? match[2]!;
  if (match[1] === undefined) checkHost(host, text);
  else if (!isIpv6(host)) throw new Error(`"${host}" is not an IPv6 address; brackets are for those alone`);
  if (match[3] === undefined && defaultPort !== undefined) return { host, port: defaultPort };
  if (match[3] === undefined) throw new Error(`"${text}" names no port; write it as host:port`);
  return { host, port: parsePort(match[3]) };
}

/** A port of 0..65535. @throws with what is allowed */
function parsePort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new Error(`"${text}" is not a port; allowed: 1 to 65535`);
  return Number(text);
}

/** Why `host` is no host name and no IP address; undefined when it is one. @see RFC 1123 section 2.1 */
export function complaintOfHost(host: string): string | undefined {
  if (host === "") return "the host is missing";
  if (isIpv6(host)) return undefined;
  if (/^[\d.]+$/.test(host)) {
    return isIpv4(host) ? undefined : `"${host}" is not an IPv4 address`;
  }
  const labels = host.replace(/\.$/, "").split(".");
  const fits = host.length <= 253 && labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label));
  return fits ? undefined : `"${host}" is not a host name and not an IP address`;
}

/** Where a syslog server listens: `udp://host:514`, `tcp://host`, `tls://host`, `unix:/dev/log`, `unix-stream:PATH`. @throws */
export function parseSyslogAddress(text: string): SyslogAddress {
  const network = /^(udp|tcp|tls):\/\/(.*)$/s.exec(text);
  if (network !== null) {
    const transport = network[1] as "udp" | "tcp" | "tls";
    const port = transport === "tls" ? defaultPorts.syslogTls : defaultPorts.syslog;
    return { transport, ...parseHostPort(network[2]!, port) };
  }
  const socket = /^(unix|unix-stream):(.*)$/s.exec(text);
  if (socket === null) {
    throw new Error(
      `"${text}" is not an address of syslog; allowed: udp://host:port, tcp://host:port, tls://host:port, unix:PATH, unix-stream:PATH`,
    );
  }
  return { transport: socket[1] as "unix" | "unix-stream", path: parseSocketPath(socket[2]!) };
}

/** Where the status server listens: `host:port`, `host` or `unix:PATH`. @throws with what is wrong and what is allowed */
export function parseStatusAddress(text: string): HostPort | { readonly path: string } {
  const socket = /^unix:(.*)$/s.exec(text);
  return socket === null ? parseHostPort(text, defaultPorts.status) : { path: parseSocketPath(socket[1]!) };
}

/** Where a webhook listens: `host:port`, or `unix:PATH`. @throws with what is wrong and what is allowed */
export function parseWebhookAddress(text: string): HostPort | { readonly path: string } {
  const socket = /^unix:(.*)$/s.exec(text);
  return socket === null ? parseHostPort(text) : { path: parseSocketPath(socket[1]!) };
}

/** Where the forward protocol is spoken: `host:port`, `host` or `unix:PATH`. @throws with what is wrong and what is allowed */
export function parseForwardAddress(text: string): HostPort | { readonly path: string } {
  const socket = /^unix:(.*)$/s.exec(text);
  return socket === null ? parseHostPort(text, defaultPorts.forward) : { path: parseSocketPath(socket[1]!) };
}

/** The path of a Unix socket. @throws when it is not absolute or longer than the kernel takes (unix(7): 107 bytes) */
export function parseSocketPath(path: string): string {
  if (!path.startsWith("/")) throw new Error(`"${path}" is not the path of a socket; it begins with "/"`);
  const sizeBytes = new TextEncoder().encode(path).length;
  if (sizeBytes > 107) throw new Error(`"${path}" is ${sizeBytes} bytes long; a socket's path has 107 at the most`);
  return path;
}

function checkHost(host: string, text: string): void {
  const complaint = complaintOfHost(host);
  if (complaint !== undefined) throw new Error(host === "" ? badAddress(text) : complaint);
}

function badAddress(text: string): string {
  return isIpv6(text)
    ? `"${text}" is an IPv6 address without brackets; write [${text}] or [${text}]:port`
    : `"${text}" is not an address; write host:port, an IPv6 address in brackets`;
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

/** Also with a zone (`fe80::1%eth0`) and with an IPv4 tail. @see RFC 4291 section 2.2 */
function isIpv6(text: string): boolean {
  const address = text.replace(/%[A-Za-z0-9._-]+$/, "");
  if (!address.includes(":")) return false;
  const tail = /^(.*:)([^:]*\.[^:]*)$/.exec(address);
  if (tail !== null) return isIpv4(tail[2]!) && isIpv6(`${tail[1]}0:0`);
  const halves = address.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => half === "" ? [] : half.split(":"));
  return groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group)) &&
    (halves.length === 2 ? groups.length <= 7 : groups.length === 8);
}
