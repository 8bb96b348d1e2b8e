/**
 * Names and ways: how this machine resolves names, whether each of its name servers answers, and whether the
 * configured destinations can be reached, over IPv4 and IPv6 apart. All questions at once, each with a short deadline.
 */
import { connect, isIP, isIPv6 } from "node:net";
import { errorText } from "../../pipeline/errors.ts";
import type { Artifact, Collector, DumpContext } from "../collector.ts";
import { collector, fileArtifacts, formatTable, textArtifact } from "./define.ts";
import { readTextOr } from "./files.ts";

/** A place that the agent sends to. */
export interface Destination {
  /** Name or address, without brackets. */
  readonly host: string;
  /** 1..65535, TCP. */
  readonly port: number;
}

/** DNS configuration, and tests of name servers and destinations. */
export function namesCollector(destinations: readonly Destination[]): Collector {
  return collector({
    id: "network/names",
    summary: "DNS: configuration, does each name server answer, can the destinations be reached (IPv4, IPv6)",
    plan: () => [
      ...nameFiles.map(({ from }) => `read ${from}`),
      "ask each name server of /etc/resolv.conf for A and AAAA (2 s)",
      ...destinations.map(({ host, port }) => `connect to ${host}:${port} over TCP (2 s)`),
    ],
    async *collect(context): AsyncIterable<Artifact> {
      yield* fileArtifacts(context, nameFiles);
      if (!context.machine.live) return;
      const servers = await nameServers(context);
      const rows = await Promise.all([
        ...servers.flatMap((server) => askServer(context, server, destinations)),
        ...destinations.slice(0, 16).flatMap((destination) => reach(context, destination)),
      ]);
      if (servers.length === 0) rows.push(["dns", "-", "-", "none", "0", "no name server in /etc/resolv.conf"]);
      const header = ["test", "target", "family", "result", "ms", "detail"];
      yield textArtifact("network/reachability.txt", "DNS and TCP tests", formatTable([header, ...rows]));
    },
  });
}

const nameFiles = [
  { from: "/etc/resolv.conf", to: "network/resolv.conf" },
  { from: "/run/systemd/resolve/resolv.conf", to: "network/resolved-resolv.conf" },
  { from: "/tmp/resolv.conf.d/resolv.conf.auto", to: "network/resolv.conf.auto" },
  { from: "/etc/nsswitch.conf", to: "network/nsswitch.conf" },
  { from: "/etc/hosts", to: "network/hosts" },
  { from: "/etc/gai.conf", to: "network/gai.conf" },
];

type Row = [test: string, target: string, family: string, result: string, ms: string, detail: string];

async function nameServers(context: DumpContext): Promise<readonly string[]> {
  const texts = await Promise.all(
    nameFiles.slice(0, 3).map(({ from }) => readTextOr(context.machine.locate(from), context.signal, 65_536)),
  );
  const found = texts.flatMap((text) => [...(text ?? "").matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, one]) => one!));
  return [...new Set(found)].filter((server) => isIP(server.replace(/%.*$/, "")) !== 0).slice(0, 6);
}

/** A and AAAA of a name: that of a destination, as it is what matters, or else the root's. */
function askServer(context: DumpContext, server: string, destinations: readonly Destination[]): Promise<Row>[] {
  const name = destinations.find(({ host }) => isIP(host) === 0)?.host;
  const family = isIPv6(server.replace(/%.*$/, "")) ? "ipv6" : "ipv4";
  const kinds = name === undefined ? (["NS"] as const) : (["A", "AAAA"] as const);
  return kinds.map((kind) =>
    timed(`dns-${kind.toLowerCase()}`, server, family, async () => {
      const options = { nameServer: { ipAddr: server, port: 53 }, signal: limit(context) };
      const answers = kind === "NS"
        ? await Deno.resolveDns(".", "NS", options)
        : await Deno.resolveDns(name!, kind, options);
      return `${name ?? "."}: ${answers.length} answers`;
    })
  );
}

function reach(context: DumpContext, { host, port }: Destination): Promise<Row>[] {
  const target = `${host}:${port}`;
  if (isIP(host) !== 0) {
    return [timed("tcp", target, isIPv6(host) ? "ipv6" : "ipv4", () => tryConnect(context, host, port))];
  }
  return ([["ipv4", "A"], ["ipv6", "AAAA"]] as const).map(([family, kind]) =>
    timed("tcp", target, family, async () => {
      const addresses = await lookUp(host, kind, limit(context));
      const first = addresses[0];
      if (first === undefined) return "no address of this family";
      return await tryConnect(context, first, port);
    })
  );
}

/** Addresses by the system's own configuration; none where the name has none of this family. */
async function lookUp(host: string, kind: "A" | "AAAA", signal: AbortSignal): Promise<readonly string[]> {
  try {
    return await Deno.resolveDns(host, kind, { signal });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function tryConnect(context: DumpContext, ip: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: ip, port });
    const stop = limit(context);
    const onAbort = (): void => {
      socket.destroy();
      reject(new Error("no answer within 2 s"));
    };
    stop.addEventListener("abort", onAbort, { once: true });
    socket.once("connect", () => {
      socket.destroy();
      stop.removeEventListener("abort", onAbort);
      resolve(`connected to ${ip}`);
    });
    socket.once("error", (error) => {
      socket.destroy();
      stop.removeEventListener("abort", onAbort);
      reject(error);
    });
  });
}

/** A row whatever happens. "The name does not exist" is an answer too: the server works. */
async function timed(test: string, target: string, family: string, work: () => Promise<string>): Promise<Row> {
  const startMs = performance.now();
  const row = (result: string, detail: string): Row => {
    const ms = String(Math.round(performance.now() - startMs));
    return [test, target, family, result, ms, detail.replaceAll("\n", " ")];
  };
  try {
    const detail = await work();
    return row(detail.startsWith("no address") ? "none" : "ok", detail);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return row("none", "the server says that there is no such record");
    const isLate = error instanceof DOMException && (error.name === "TimeoutError" || error.name === "AbortError");
    return row("fail", isLate ? "no answer within 2 s" : errorText(error));
  }
}

function limit(context: DumpContext): AbortSignal {
  return AbortSignal.any([context.signal, AbortSignal.timeout(2_000)]);
}
