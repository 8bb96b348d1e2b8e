/** Services by the init system that the machine has: which run, which failed, how often they were started again. */
import { readSmall } from "./files.ts";
import type { Artifact, Collector, DumpContext } from "../collector.ts";
import {
  collector,
  type CommandArtifact,
  commandArtifacts,
  fileArtifacts,
  formatTable,
  textArtifact,
} from "./define.ts";
import { namesIn, readTextOr } from "./files.ts";

/** States of all services. */
export const servicesCollector: Collector = collector({
  id: "services/states",
  summary: "services of systemd, OpenRC, s6, runit or procd: running, failed, restarted",
  timeoutMs: 20_000,
  plan: (machine) => [
    ...commandsOf(machine.init).map(({ program, args }) => `run ${program} ${args.join(" ")}`),
    "read supervise/status below /run/service, /run/s6-rc, /var/service, /etc/service",
    "list /etc/init.d, /etc/rc.d, /run/openrc",
  ],
  async *collect(context): AsyncIterable<Artifact> {
    yield* commandArtifacts(context, commandsOf(context.machine.init));
    const supervised = await supervisedText(context);
    if (supervised !== "") yield textArtifact("services/supervised.txt", "supervise/status", supervised);
    const rc = await openRcText(context);
    if (rc !== "") yield textArtifact("services/openrc.txt", "/run/openrc", rc);
    const scripts = await namesIn(context, "/etc/init.d", 500);
    const enabled = await namesIn(context, "/etc/rc.d", 500);
    const text = [...scripts.map((name) => `/etc/init.d/${name}`), ...enabled.map((name) => `/etc/rc.d/${name}`)];
    if (text.length > 0) yield textArtifact("services/init.d.txt", "/etc/init.d", text.join("\n") + "\n");
    const cron = [{ from: "/etc/crontab", to: "services/crontab" }, {
      from: "/etc/crontabs/root",
      to: "services/crontab-root",
    }];
    yield* fileArtifacts(context, cron);
  },
});

function commandsOf(init: string): readonly CommandArtifact[] {
  const timeoutMs = 8_000;
  switch (init) {
    case "systemd": {
      const plain = ["--no-pager", "--plain"];
      const properties = "Id,ActiveState,SubState,Result,NRestarts,ExecMainStatus,ExecMainCode,ActiveEnterTimestamp";
      return [
        { program: "systemctl", args: ["list-units", "--all", ...plain], to: "services/systemd-units.txt", timeoutMs },
        { program: "systemctl", args: ["--failed", ...plain], to: "services/systemd-failed.txt", timeoutMs },
        {
          program: "systemctl",
          args: ["list-timers", "--all", ...plain],
          to: "services/systemd-timers.txt",
          timeoutMs,
        },
        {
          program: "systemctl",
          args: ["show", "*.service", `--property=${properties}`, "--no-pager"],
          to: "services/systemd-services.txt",
          timeoutMs,
        },
        { program: "systemctl", args: ["list-jobs", ...plain], to: "services/systemd-jobs.txt", timeoutMs },
      ];
    }
    case "openrc":
      return [{ program: "rc-status", args: ["--all"], to: "services/rc-status.txt", timeoutMs }];
    case "procd":
      return [{
        program: "ubus",
        args: ["call", "service", "list"],
        to: "services/procd.json",
        kind: "json",
        timeoutMs,
      }];
    case "s6":
      return [{ program: "s6-rc", args: ["-a", "list"], to: "services/s6-rc.txt", timeoutMs, fineCodes: [100, 111] }];
    default:
      return [];
  }
}

/** One row per service of s6 or runit, from the status that their supervisor keeps. */
async function supervisedText(context: DumpContext): Promise<string> {
  const rows: string[][] = [];
  const parents = [
    "/run/service",
    "/run/s6-rc/servicedirs",
    "/var/service",
    "/etc/service",
    "/run/runit/service",
    "/service",
  ];
  const seen = new Set<string>();
  for (const parent of parents) {
    for (const name of await namesIn(context, parent, 1_000)) {
      const path = context.machine.locate(`${parent}/${name}/supervise`);
      const row = await supervisedRow(context, path);
      if (row === undefined || seen.has(`${name} ${row[1]}`)) continue;
      seen.add(`${name} ${row[1]}`);
      rows.push([`${parent}/${name}`, ...row]);
    }
  }
  return rows.length === 0 ? "" : formatTable([["service", "state", "pid", "since", "deaths"], ...rows]);
}

/** State, process, since when, and how often it died lately (s6 keeps a tally of the last deaths). */
async function supervisedRow(context: DumpContext, path: string): Promise<string[] | undefined> {
  let status: Uint8Array;
  try {
    status = await readSmall(`${path}/status`, context.signal, 256);
  } catch {
    context.signal.throwIfAborted();
    return undefined;
  }
  const view = new DataView(status.buffer, status.byteOffset, status.length);
  // runit: 12 bytes of TAI64N, process id (little-endian), paused, wanted, term, state.
  if (status.length === 20) {
    const pid = view.getUint32(12, true);
    return [pid > 0 ? "up" : "down", String(pid), taiText(view), "-"];
  }
  if (status.length < 35) return undefined;
  // s6: TAI64N of the last change and of readiness, then the process id and others, big-endian (s6 supervise.h).
  const pid = Number(view.getBigUint64(24));
  const tally = await sizeOf(context, `${path}/death_tally`);
  return [
    pid > 0 ? "up" : "down",
    String(pid),
    taiText(view),
    tally === undefined ? "-" : String(Math.floor(tally / deathBytes)),
  ];
}

function taiText(view: DataView): string {
  const seconds = Number(view.getBigUint64(0) - 0x4000000000000000n) - 37;
  return Math.abs(seconds) < 8e12 ? new Date(seconds * 1_000).toISOString() : "-";
}

async function sizeOf(context: DumpContext, path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).size;
  } catch {
    context.signal.throwIfAborted();
    return undefined;
  }
}

/** TAI64N of 12 bytes, exit code, signal (S6_DTALLY_PACK). */
const deathBytes = 14;

/** `started: name` and the like, from OpenRC's folders of links. */
async function openRcText(context: DumpContext): Promise<string> {
  const lines: string[] = [];
  for (const state of ["failed", "inactive", "starting", "started", "stopping", "wasinactive"]) {
    for (const name of await namesIn(context, `/run/openrc/${state}`, 1_000)) lines.push(`${state}: ${name}\n`);
  }
  for (const name of await namesIn(context, "/run/openrc/daemons", 1_000)) {
    const text = await readTextOr(context.machine.locate(`/run/openrc/daemons/${name}/001`), context.signal, 4_096);
    if (text !== undefined) lines.push(`daemon: ${name} ${text.trim().replaceAll("\n", " ")}\n`);
  }
  return lines.join("");
}
