/**
 * The kernel's network tables (proc(5)) as people read them: addresses are hexadecimal words in the order of the
 * machine, little-endian on all that we build for. Pure.
 */

/** One socket of `/proc/net/{tcp,tcp6,udp,udp6}`. */
export interface SocketRow {
  /** `10.0.0.1:80`, `[fe80::1]:80`. */
  readonly local: string;
  readonly remote: string;
  readonly state: string;
  /** Bytes sent and not acknowledged, received and not read; of a listener: the backlog. */
  readonly sendQueue: number;
  readonly receiveQueue: number;
  readonly userId: string;
  readonly inode: string;
}

/** All rows of a table; lines that are none are passed over. */
export function parseSockets(table: string, isUdp: boolean): readonly SocketRow[] {
  const rows: SocketRow[] = [];
  for (const line of table.split("\n").slice(1)) {
    const fields = line.trim().split(/\s+/);
    const [, local, remote, state, queues, , , userId, , inode] = fields;
    if (local === undefined || remote === undefined || queues === undefined || inode === undefined) continue;
    const [send, receive] = queues.split(":").map((word) => parseInt(word, 16));
    const name = isUdp ? (state === "01" ? "connected" : "open") : stateNames[parseInt(state!, 16)] ?? state!;
    rows.push({
      local: endpointText(local),
      remote: endpointText(remote),
      state: name,
      sendQueue: send ?? 0,
      receiveQueue: receive ?? 0,
      userId: userId ?? "",
      inode,
    });
  }
  return rows;
}

/** One line of `/proc/net/route` or `/proc/net/ipv6_route`, in the words of `ip route`. */
export function formatRoutes(table: string): readonly string[] {
  return table.split("\n").slice(1).map((line) => line.trim().split(/\s+/)).filter((fields) => fields.length >= 8)
    .map(([device, destination, gateway, flags, , , metric, mask]) => {
      const bits = parseInt(mask!, 16).toString(2).replaceAll("0", "").length;
      const target = bits === 0 ? "default" : `${addressText(destination!)}/${bits}`;
      const via = /^0+$/.test(gateway!) ? "" : ` via ${addressText(gateway!)}`;
      const reject = (parseInt(flags!, 16) & 0x0200) === 0 ? "" : " reject";
      return `${target}${via} dev ${device} metric ${metric}${reject}`;
    });
}

/** The IPv6 table: destination, prefix, source, prefix, next hop, metric, references, uses, flags, device. */
export function formatRoutes6(table: string): readonly string[] {
  return table.split("\n").map((line) => line.trim().split(/\s+/)).filter((fields) => fields.length >= 10)
    .map(([destination, prefix, , , nextHop, metric, , , flags, device]) => {
      const bits = parseInt(prefix!, 16);
      const target = bits === 0 && /^0+$/.test(destination!) ? "default" : `${plain6(destination!)}/${bits}`;
      const via = /^0+$/.test(nextHop!) ? "" : ` via ${plain6(nextHop!)}`;
      const reject = (parseInt(flags!, 16) & 0x0200) === 0 ? "" : " reject";
      return `${target}${via} dev ${device} metric ${parseInt(metric!, 16)}${reject}`;
    });
}

/** One line of `/proc/net/if_inet6`: address, index, prefix, scope, flags, device. */
export function formatAddresses6(table: string): readonly string[] {
  const scopes: Readonly<Record<string, string>> = { "00": "global", "10": "host", "20": "link", "40": "site" };
  return table.split("\n").map((line) => line.trim().split(/\s+/)).filter((fields) => fields.length >= 6)
    .map(([address, , prefix, scope, flags, device]) => {
      const bits = parseInt(flags!, 16);
      const marks = (bits & 0x40 ? " tentative" : "") + (bits & 0x08 ? " duplicate-found" : "");
      return `${device} inet6 ${plain6(address!)}/${parseInt(prefix!, 16)} scope ${scopes[scope!] ?? scope}${marks}`;
    });
}

/** `0100007F:0016` → `127.0.0.1:22`. */
export function endpointText(endpoint: string): string {
  const [address, port] = endpoint.split(":");
  const text = addressText(address ?? "");
  return `${text.includes(":") ? `[${text}]` : text}:${parseInt(port ?? "0", 16)}`;
}

/** Words in the machine's order, 8 or 32 digits. */
function addressText(words: string): string {
  const inOrder = words.replace(/[0-9A-Fa-f]{8}/g, (word) => word.match(/../g)!.reverse().join(""));
  if (inOrder.length === 8) return inOrder.match(/../g)!.map((pair) => parseInt(pair, 16)).join(".");
  return plain6(inOrder);
}

/** 32 digits in network order as RFC 5952 has it; `::ffff:1.2.3.4` of mapped addresses. */
function plain6(digits: string): string {
  const groups = digits.match(/.{4}/g)?.map((group) => parseInt(group, 16)) ?? [];
  if (groups.length !== 8) return digits;
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${groups[6]! >> 8}.${groups[6]! & 255}.${groups[7]! >> 8}.${groups[7]! & 255}`;
  }
  return groups.map((group) => group.toString(16)).join(":").replace(longestZeros(groups), "::");
}

/** The leftmost longest run of at least two zero groups, as it stands in the text; nothing that occurs otherwise. */
function longestZeros(groups: readonly number[]): RegExp {
  let longest = 0;
  let run = 0;
  for (const group of groups) {
    run = group === 0 ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest < 2 ? /$^/ : new RegExp(`(?:^|:)0(?::0){${longest - 1}}(?:$|:)`);
}

const stateNames: readonly string[] = [
  "",
  "established",
  "syn-sent",
  "syn-received",
  "fin-wait-1",
  "fin-wait-2",
  "time-wait",
  "closed",
  "close-wait",
  "last-ack",
  "listen",
  "closing",
  "new-syn-received",
];
