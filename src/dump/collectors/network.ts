/** The network as the kernel sees it: interfaces, addresses, routes, neighbours, sockets with their owners, firewall. */
import { readlink } from "node:fs/promises";
import type { Artifact, Collector, DumpContext } from "../collector.ts";
import {
  collector,
  type CommandArtifact,
  commandArtifacts,
  fileArtifacts,
  formatTable,
  textArtifact,
} from "./define.ts";
import { abortable, namesIn, readTextOr } from "./files.ts";
import { formatAddresses6, formatRoutes, formatRoutes6, parseSockets } from "./proc_net.ts";
import { commandOf, readPids } from "./processes.ts";

/** Interfaces with their addresses, counters and states; routes, rules, neighbours. */
export const interfacesCollector: Collector = collector({
  id: "network/interfaces",
  summary: "interfaces, addresses, routes, rules, neighbours, counters of errors",
  plan: () => [
    "read /sys/class/net/*, /proc/net/{dev,route,ipv6_route,if_inet6,arp,snmp,netstat}",
    ...interfaceCommands.map(({ program, args }) => `run ${program} ${args.join(" ")}`),
  ],
  async *collect(context): AsyncIterable<Artifact> {
    yield textArtifact("network/interfaces.txt", "/sys/class/net", await interfacesText(context));
    yield textArtifact("network/addresses.txt", "/proc/net/if_inet6 and the system", await addressesText(context));
    yield textArtifact("network/routes.txt", "/proc/net/route /proc/net/ipv6_route", await routesText(context));
    yield* fileArtifacts(context, counterFiles);
    yield* commandArtifacts(context, interfaceCommands);
  },
});

const counterFiles = ["dev", "arp", "snmp", "snmp6", "netstat", "sockstat", "softnet_stat", "bonding/bond0", "wireless"]
  .map((name) => ({ from: `/proc/net/${name}`, to: `network/proc-${name.replaceAll("/", "-")}` }));
/** More than /proc and /sys tell: what a small `ip` (busybox) does not know is no loss. */
const interfaceCommands: readonly CommandArtifact[] = ([
  { program: "ip", args: ["-details", "-statistics", "address"], to: "network/ip-address.txt" },
  { program: "ip", args: ["route", "show", "table", "all"], to: "network/ip-route.txt" },
  { program: "ip", args: ["-6", "route", "show", "table", "all"], to: "network/ip6-route.txt" },
  { program: "ip", args: ["rule"], to: "network/ip-rule.txt", fineCodes: [255] },
  { program: "ip", args: ["-6", "rule"], to: "network/ip6-rule.txt", fineCodes: [2, 255] },
  { program: "ip", args: ["neighbour"], to: "network/ip-neighbour.txt" },
] satisfies CommandArtifact[]).map((one) => ({ ...one, timeoutMs: 5_000, isQuiet: true }));

async function interfacesText(context: DumpContext): Promise<string> {
  const columns = ["operstate", "carrier", "mtu", "speed", "address", "carrier_changes"];
  const counters = ["rx_bytes", "tx_bytes", "rx_errors", "tx_errors", "rx_dropped", "tx_dropped"];
  const rows = [["interface", ...columns, ...counters]];
  for (const name of await namesIn(context, "/sys/class/net", 2_000)) {
    const read = async (file: string): Promise<string> => {
      const path = context.machine.locate(`/sys/class/net/${name}/${file}`);
      return (await readTextOr(path, context.signal, 4_096))?.trim() || "-";
    };
    rows.push([
      name,
      ...await Promise.all(columns.map(read)),
      ...await Promise.all(counters.map((counter) => read(`statistics/${counter}`))),
    ]);
  }
  return formatTable(rows);
}

async function addressesText(context: DumpContext): Promise<string> {
  const lines: string[] = [];
  if (context.machine.live) {
    // getifaddrs(3): /proc has no table of IPv4 addresses that says their interface.
    for (const { name, family, address, cidr, mac } of interfacesOrNone()) {
      if (family === "IPv4") lines.push(`${name} inet ${cidr ?? address} mac ${mac}`);
    }
  }
  const table = await readTextOr(context.machine.locate("/proc/net/if_inet6"), context.signal) ?? "";
  const trie = await readTextOr(context.machine.locate("/proc/net/fib_trie"), context.signal) ?? "";
  const local = new Set([...trie.matchAll(/\|-- (\S+)\n\s+\/32 host LOCAL/g)].map(([, address]) => address!));
  const known = lines.join("\n");
  for (const address of local) if (!known.includes(` ${address}/`)) lines.push(`local inet ${address}`);
  return [...lines, ...formatAddresses6(table)].map((line) => line + "\n").join("");
}

function interfacesOrNone(): readonly Deno.NetworkInterfaceInfo[] {
  try {
    return Deno.networkInterfaces();
  } catch {
    return []; // some sandboxes forbid netlink; the tables of /proc say most of it
  }
}

async function routesText(context: DumpContext): Promise<string> {
  const read = (path: string): Promise<string | undefined> => readTextOr(context.machine.locate(path), context.signal);
  const v4 = formatRoutes(await read("/proc/net/route") ?? "");
  const v6 = formatRoutes6(await read("/proc/net/ipv6_route") ?? "");
  return ["# IPv4", ...v4, "", "# IPv6", ...v6, ""].join("\n");
}

/** Sockets from /proc, with the process that owns each as far as it may be seen. */
export const socketsCollector: Collector = collector({
  id: "network/sockets",
  summary: "listening and connected sockets with their queues and processes",
  timeoutMs: 15_000,
  plan: () => ["read /proc/net/{tcp,tcp6,udp,udp6,unix}", "list /proc/*/fd", "run ss -tuapnmi"],
  async *collect(context): AsyncIterable<Artifact> {
    const owners = await socketOwners(context);
    const rows = [["proto", "state", "sendq", "recvq", "local", "remote", "uid", "process"]];
    for (const proto of ["tcp", "tcp6", "udp", "udp6"]) {
      const path = context.machine.locate(`/proc/net/${proto}`);
      const table = await readTextOr(path, context.signal, 32 * 1_048_576);
      for (const row of parseSockets(table ?? "", proto.startsWith("udp"))) {
        const queues = [String(row.sendQueue), String(row.receiveQueue)];
        const owner = owners.get(row.inode) ?? "-";
        rows.push([proto, row.state, ...queues, row.local, row.remote, row.userId, owner]);
      }
    }
    yield textArtifact("network/sockets.txt", "/proc/net/{tcp,tcp6,udp,udp6}", formatTable(rows));
    yield* fileArtifacts(context, [{ from: "/proc/net/unix", to: "network/proc-unix", maxBytes: 4 * 1_048_576 }]);
    if (context.profile !== "complete") return;
    yield* commandArtifacts(context, [{ program: "ss", args: ["-tuapnmi"], to: "network/ss.txt", timeoutMs: 10_000 }]);
  },
});

/** `pid/name` by inode of the socket; only those of our own user where we are not root. */
async function socketOwners(context: DumpContext): Promise<ReadonlyMap<string, string>> {
  const owners = new Map<string, string>();
  if (!context.machine.live) return owners;
  for (const pid of await readPids(context)) {
    const name = (await commandOf(context, pid))?.split(" ")[0]?.split("/").at(-1) ?? "";
    if (name.startsWith("[")) continue;
    try {
      for await (const entry of Deno.readDir(`/proc/${pid}/fd`)) {
        const target = await abortable(readlink(`/proc/${pid}/fd/${entry.name}`), context.signal);
        const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
        if (inode !== undefined) owners.set(inode, `${pid}/${name}`);
      }
    } catch {
      context.signal.throwIfAborted(); // not ours to see, or ended meanwhile
    }
  }
  return owners;
}

/** Rules of packet filters; only commands can decode them. */
export const firewallCollector: Collector = collector({
  id: "network/firewall",
  summary: "firewall rules, connection tracking, traffic control",
  optional: true,
  plan: () => [
    ...firewallCommands.map(({ program, args }) => `run ${program} ${args.join(" ")}`),
    "read /proc/net/ip_tables_names, /proc/sys/net/netfilter/nf_conntrack_{count,max}",
  ],
  async *collect(context): AsyncIterable<Artifact> {
    yield* fileArtifacts(context, firewallFiles);
    const has = (program: string): boolean => context.machine.which(program) !== undefined;
    const isFiltered = await readTextOr(context.machine.locate("/proc/net/ip_tables_names"), context.signal);
    if (!has("nft") && !has("iptables-save") && (isFiltered ?? "") !== "") {
      const text = "Cannot read the firewall: neither nft nor iptables-save is installed";
      context.note({ about: "network/firewall", state: "missing", text });
    }
    yield* commandArtifacts(context, firewallCommands);
  },
});

const firewallFiles = [
  { from: "/proc/net/ip_tables_names", to: "network/ip_tables_names" },
  { from: "/proc/sys/net/netfilter/nf_conntrack_count", to: "network/conntrack-count" },
  { from: "/proc/sys/net/netfilter/nf_conntrack_max", to: "network/conntrack-max" },
  { from: "/proc/net/stat/nf_conntrack", to: "network/conntrack-stat" },
  { from: "/etc/nftables.conf", to: "network/nftables.conf" },
];
const firewallCommands: readonly CommandArtifact[] = [
  { program: "nft", args: ["list", "ruleset"], to: "network/nft-ruleset.txt", timeoutMs: 10_000 },
  { program: "iptables-save", args: ["-c"], to: "network/iptables-save.txt", timeoutMs: 10_000 },
  { program: "ip6tables-save", args: ["-c"], to: "network/ip6tables-save.txt", timeoutMs: 10_000 },
  { program: "tc", args: ["-s", "qdisc"], to: "network/tc-qdisc.txt", timeoutMs: 5_000 },
];
