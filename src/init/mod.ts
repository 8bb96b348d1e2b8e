/** The init systems, in the order in which they are looked for: what runs the machine before what may also be installed. */
import logRun from "../../targets/init/s6_log_run.sh" with { type: "text" };
import openrc from "../../targets/init/openrc.sh" with { type: "text" };
import procd from "../../targets/init/procd.sh" with { type: "text" };
import run from "../../targets/init/s6_run.sh" with { type: "text" };
import runitLogRun from "../../targets/init/runit_log_run.sh" with { type: "text" };
import systemd from "../../targets/init/systemd.service" with { type: "text" };
import sysv from "../../targets/init/sysv.sh" with { type: "text" };
import { fillTemplate, type InitSystem, mark, type ServiceSpec, type UnitFile } from "./unit.ts";

/** The table. */
export const initSystems: readonly InitSystem[] = [
  {
    name: "systemd",
    isHere: (exists) => exists("/run/systemd/system"),
    files: (spec) => [file(`/etc/systemd/system/${spec.name}.service`, systemdUnit(spec), 0o644)],
    start: ({ name }) => [
      ["systemctl", "daemon-reload"],
      ["systemctl", "enable", `${name}.service`],
      ["systemctl", "restart", `${name}.service`],
    ],
    stop: ({ name }) => [["systemctl", "disable", "--now", `${name}.service`]],
    forget: () => [["systemctl", "daemon-reload"]],
  },
  {
    name: "openrc",
    isHere: (exists) => exists("/run/openrc/softlevel"),
    files: (spec) => [file(`/etc/init.d/${spec.name}`, fillTemplate(openrc, spec), 0o755)],
    start: ({ name }) => [["rc-update", "add", name, "default"], ["rc-service", name, "restart"]],
    stop: ({ name }) => [["rc-service", "--ifstarted", name, "stop"], ["rc-update", "del", name]],
  },
  {
    name: "procd",
    isHere: (exists) => exists("/etc/rc.common") && exists("/sbin/procd"),
    files: (spec) => [file(`/etc/init.d/${spec.name}`, fillTemplate(procd, spec), 0o755)],
    start: ({ name }) => [[`/etc/init.d/${name}`, "enable"], [`/etc/init.d/${name}`, "restart"]],
    stop: ({ name }) => [[`/etc/init.d/${name}`, "stop"], [`/etc/init.d/${name}`, "disable"]],
  },
  {
    name: "s6-rc",
    isHere: (exists) => exists("/run/s6-rc/compiled") || exists("/run/s6-rc"),
    files: s6rcFiles,
    start: () => [],
    stop: ({ name }) => [["s6-rc", "-d", "change", name]],
    hint: ({ name }) =>
      `compile the database with /etc/s6-rc/source in it (s6-rc-compile, s6-rc-update), then: s6-rc -u change ${name}`,
  },
  {
    name: "s6",
    isHere: (exists) => exists("/run/service/.s6-svscan") || exists("/service/.s6-svscan"),
    files: (spec) => [
      file(`/etc/s6/${spec.name}/run`, fillTemplate(run, spec), 0o755),
      file(`/etc/s6/${spec.name}/log/run`, fillTemplate(logRun, spec), 0o755),
    ],
    link: ({ name }) => ({ path: `/run/service/${name}`, target: `/etc/s6/${name}` }),
    start: () => [["s6-svscanctl", "-a", "/run/service"]],
    stop: ({ name }) => [["s6-svc", "-wd", "-T", "10000", "-dx", `/run/service/${name}`]],
    forget: () => [["s6-svscanctl", "-an", "/run/service"]],
  },
  {
    name: "runit",
    isHere: (exists) => exists("/run/runit") || exists("/etc/runit/runsvdir"),
    files: (spec) => [
      file(`/etc/sv/${spec.name}/run`, fillTemplate(run, spec), 0o755),
      file(`/etc/sv/${spec.name}/log/run`, fillTemplate(runitLogRun, spec), 0o755),
    ],
    link: ({ name }) => ({ path: `/etc/service/${name}`, target: `/etc/sv/${name}` }),
    start: () => [],
    stop: ({ name }) => [["sv", "-w", "10", "force-stop", `/etc/service/${name}`]],
  },
  {
    name: "sysv",
    isHere: (exists) => exists("/etc/init.d"),
    files: (spec) => [file(`/etc/init.d/${spec.name}`, fillTemplate(sysv, spec), 0o755)],
    start: ({ name }) => [["update-rc.d", name, "defaults"], [`/etc/init.d/${name}`, "restart"]],
    stop: ({ name }) => [[`/etc/init.d/${name}`, "stop"]],
    forget: ({ name }) => [["update-rc.d", name, "remove"]],
  },
];

function file(path: string, content: string, mode: number): UnitFile {
  return { path, content, mode };
}

function systemdUnit(spec: ServiceSpec): string {
  const { command, name, writable, state } = spec;
  // A state folder of its own choice is not systemd's to make.
  const outside = [state, ...writable].filter((path) => path !== `/var/lib/${name}`);
  return fillTemplate(systemd, spec, {
    CAPABILITIES: (capabilities[command] ?? capabilities.ship!).join(" "),
    // `-`: one that is missing does not keep the service from starting.
    WRITABLE: [`/run/${name}`, ...outside.map((path) => `-${path}`)].join(" "),
    PRIVATE_TMP: writable.some((path) => path === "/tmp" || path.startsWith("/tmp/")) ? "no" : "yes",
  });
}

/** What a command needs of root's powers, in capabilities(7). */
const capabilities: Readonly<Record<string, readonly string[]>> = {
  ship: ["CAP_DAC_READ_SEARCH", "CAP_SYSLOG", "CAP_NET_BIND_SERVICE", "CAP_CHOWN", "CAP_FOWNER"],
  collect: ["CAP_NET_BIND_SERVICE", "CAP_CHOWN", "CAP_FOWNER", "CAP_DAC_OVERRIDE"],
  serve: ["CAP_DAC_READ_SEARCH", "CAP_SYSLOG", "CAP_SYS_PTRACE", "CAP_NET_BIND_SERVICE"],
};

/** A longrun and its logger, joined as a pipeline (s6-rc-compile(8)). */
function s6rcFiles(spec: ServiceSpec): readonly UnitFile[] {
  const folder = `/etc/s6-rc/source/${spec.name}`;
  const log = `${folder}-log`;
  const plain = (path: string, text: string): UnitFile => file(path, `${text}\n`, 0o644);
  return [
    plain(`${folder}/type`, "longrun"),
    file(`${folder}/run`, fillTemplate(run, spec), 0o755),
    plain(`${folder}/producer-for`, `${spec.name}-log`),
    plain(`${log}/type`, "longrun"),
    file(`${log}/run`, fillTemplate(logRun, spec), 0o755),
    plain(`${log}/consumer-for`, spec.name),
    plain(`${log}/pipeline-name`, `${spec.name}-pipeline`),
    file(`${folder}/.agent`, `${mark}\n`, 0o644), // says of the files that hold one word whose they are
  ];
}
