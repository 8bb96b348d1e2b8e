/**
 * What time the machine thinks it is, and whether that is right: the clocks it has, the services that set them, and one
 * question (SNTP, RFC 4330) to each time server that it is configured with, because only that shows the error itself.
 */
import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import { errorText } from "../../pipeline/errors.ts";
import { isClockSet } from "../../system/clock.ts";
import type { Artifact, Collector, DumpContext } from "../collector.ts";
import { collector, commandArtifacts, fileArtifacts, textArtifact } from "./define.ts";
import { namesIn, readTextOr } from "./files.ts";

/** Clocks, time services, and the offset to the machine's time servers. */
export const clockCollector: Collector = collector({
  id: "system/clock",
  summary: "time, time zone, real-time clock, time services, offset to the configured NTP servers",
  plan: () => [
    "read /sys/class/rtc/*, /etc/localtime, /run/systemd/timesync",
    ...configFiles.map((path) => `read ${path}`),
    "ask the configured NTP servers (SNTP, 1 s each)",
    ...clockCommands.map(({ program, args }) => `run ${program} ${args.join(" ")}`),
  ],
  async *collect(context): AsyncIterable<Artifact> {
    yield textArtifact("system/clock.txt", "clocks", await clockText(context));
    const servers = await configuredServers(context);
    if (context.machine.live && servers.length > 0) {
      const answers = await Promise.all(servers.slice(0, 4).map((server) => askServer(server, context.signal)));
      yield textArtifact("system/ntp.txt", `SNTP to ${servers.length} configured servers`, answers.join(""));
    }
    yield* fileArtifacts(
      context,
      configFiles.map((from) => ({ from, to: `system/time${from.replaceAll("/", "_")}` })),
    );
    const isBooted = context.machine.init === "systemd";
    yield* commandArtifacts(context, clockCommands.filter(({ program }) => isBooted || program !== "timedatectl"));
  },
});

const configFiles = [
  "/etc/chrony.conf",
  "/etc/chrony/chrony.conf",
  "/etc/ntp.conf",
  "/etc/ntpsec/ntp.conf",
  "/etc/openntpd/ntpd.conf",
  "/etc/ntpd.conf",
  "/etc/systemd/timesyncd.conf",
  "/etc/config/system",
  "/etc/timezone",
  "/etc/adjtime",
];
const clockCommands = [
  { program: "timedatectl", args: ["show"], to: "system/timedatectl.txt", timeoutMs: 3_000 },
  { program: "chronyc", args: ["-n", "tracking"], to: "system/chrony-tracking.txt", timeoutMs: 3_000 },
  { program: "chronyc", args: ["-n", "sources"], to: "system/chrony-sources.txt", timeoutMs: 3_000 },
  { program: "ntpq", args: ["-pn"], to: "system/ntpq.txt", timeoutMs: 3_000 },
];

async function clockText(context: DumpContext): Promise<string> {
  const { machine, signal } = context;
  const read = async (path: string): Promise<string> =>
    (await readTextOr(machine.locate(path), signal, 4_096) ?? "").trim();
  const lines = [`now: ${new Date().toISOString()}`, `clock-set: ${isClockSet(Date.now()) ? "yes" : "no"}`];
  const uptime = (await read("/proc/uptime")).split(" ")[0] ?? "";
  if (uptime !== "") {
    lines.push(`uptime-s: ${uptime}`, `boot: ${new Date(Date.now() - Number(uptime) * 1_000).toISOString()}`);
  }
  for (const clock of await namesIn(context, "/sys/class/rtc")) {
    const seconds = Number(await read(`/sys/class/rtc/${clock}/since_epoch`));
    if (!(seconds > 0)) continue;
    lines.push(`${clock}: ${new Date(seconds * 1_000).toISOString()}`);
    lines.push(`${clock}-offset-s: ${Math.round(seconds - Date.now() / 1_000)}`);
  }
  lines.push(`clock-source: ${await read("/sys/devices/system/clocksource/clocksource0/current_clocksource")}`);
  lines.push(`zone: ${machine.live ? Intl.DateTimeFormat().resolvedOptions().timeZone : await read("/etc/timezone")}`);
  const stamps = await namesIn(context, "/run/systemd/timesync");
  if (stamps.length > 0) lines.push(`timesyncd-synchronized: ${stamps.includes("synchronized") ? "yes" : "no"}`);
  return lines.join("\n") + "\n";
}

/** Names and addresses after `server`, `pool`, `NTP=`, `list server` in the files of the usual services. */
async function configuredServers(context: DumpContext): Promise<readonly string[]> {
  const servers = new Set<string>();
  for (const path of configFiles) {
    const text = await readTextOr(context.machine.locate(path), context.signal, 65_536) ?? "";
    for (const [, one, list] of text.matchAll(serverLines)) {
      for (const name of (one ?? list ?? "").split(/\s+/)) {
        if (/^[\w.:-]+$/.test(name) && !name.startsWith("-")) servers.add(name);
      }
    }
  }
  return [...servers];
}

const serverLines =
  /^\s*(?:(?:server|pool|servers|peer|list server)\s+['"]?([\w.:-]+)['"]?|(?:Fallback)?NTP=([^\n#]+))/gm;

/** One line: `server offset-ms=12 delay-ms=3 stratum=2`, or why there is none. */
function askServer(server: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(server) ? "udp6" : "udp4");
    let isOver = false;
    const end = (text: string): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      socket.close();
      resolve(`${server} ${text}\n`);
    };
    const onAbort = (): void => end("error=stopped");
    const timer = setTimeout(() => end("error=no answer within 1 s"), 1_000);
    signal.addEventListener("abort", onAbort, { once: true });
    const request = new Uint8Array(48);
    request[0] = 0x23; // version 4, client
    crypto.getRandomValues(request.subarray(40)); // our transmit time: a number that only the answer repeats
    const sentMs = Date.now();
    socket.on("error", (error) => end(`error=${errorText(error)}`));
    socket.on("message", (answer) => end(offsetText(answer, request, sentMs, Date.now())));
    socket.send(request, 123, server, (error) => {
      if (error) end(`error=${errorText(error)}`);
    });
  });
}

/** The offset of RFC 4330 section 5: how much must be added to our clock. */
function offsetText(answer: Uint8Array, request: Uint8Array, sentMs: number, gotMs: number): string {
  if (answer.length < 48 || !request.subarray(40).every((byte, i) => answer[24 + i] === byte)) {
    return "error=an answer to another question";
  }
  const view = new DataView(answer.buffer, answer.byteOffset);
  if (answer[1] === 0) return "error=the server refuses";
  const receivedMs = stampMs(view, 32);
  const answeredMs = stampMs(view, 40);
  const offsetMs = (receivedMs - sentMs + answeredMs - gotMs) / 2;
  const leap = answer[0]! >> 6 === 3 ? " server-not-synchronised" : "";
  return `offset-ms=${Math.round(offsetMs)} delay-ms=${Math.round(gotMs - sentMs)} stratum=${answer[1]}${leap}`;
}

function stampMs(view: DataView, at: number): number {
  const secondsSince1900 = view.getUint32(at);
  // Era 1 begins in 2036: small numbers are of then (RFC 4330 section 3).
  const seconds = secondsSince1900 + (secondsSince1900 < 2 ** 31 ? 2 ** 32 : 0) - 2_208_988_800;
  return seconds * 1_000 + view.getUint32(at + 4) / 2 ** 32 * 1_000;
}
