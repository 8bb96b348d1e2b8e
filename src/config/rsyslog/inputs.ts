/** rsyslog's inputs as sources of the agent. */
import type { Part, Translation } from "./translation.ts";
import type { ObjectStatement } from "./statements.ts";

/** Adds the sources that a `module(…)`, an `input(…)` or a `$` directive asks for. @returns whether it is known */
export function translateInput(statement: ObjectStatement, line: number, out: Translation): boolean {
  const { word, parameters } = statement;
  const first = (name: string): string | undefined => parameters.get(name)?.[0];
  const type = word === "module" ? first("load") : first("type");
  const make = word === "module" ? modules[type ?? ""] : inputs[type ?? ""];
  if (make === undefined) return word === "module" && silentModules.has(type ?? "");
  make(first, (name) => parameters.get(name) ?? [], line, out);
  return true;
}

/** `$UDPServerRun 514` and its like. @returns whether it is one of them */
export function translateInputDirective(name: string, value: string, line: number, out: Translation): boolean {
  const first = (key: string): string | undefined => key === "load" ? value : key === "port" ? value : undefined;
  if (name === "modload") {
    const known = value.replace(/\.so$/, "");
    modules[known]?.(first, () => [], line, out);
    return Object.hasOwn(modules, known) || silentModules.has(known) || Object.hasOwn(inputs, known);
  }
  const type = serverDirectives[name];
  if (type === undefined) return false;
  inputs[type]!(first, () => [], line, out);
  return true;
}

type First = (name: string) => string | undefined;
type All = (name: string) => readonly string[];
type Maker = (first: First, all: All, line: number, out: Translation) => void;

/** Inputs that are on as soon as their module is loaded. */
const modules: Readonly<Record<string, Maker>> = {
  imuxsock: (first, _all, line, out) => {
    if (first("syssock.use")?.toLowerCase() === "off") return;
    const path = first("syssock.name") ?? "/dev/log";
    out.source("local", { type: "syslog", listen: `unix:${path}` });
    if (first("syssock.name") === undefined) {
      out.note(line, "imuxsock: where systemd runs, /dev/log is journald's; use {type: journal} in place of it");
    }
  },
  imklog: (_first, _all, _line, out) => out.source("kernel", { type: "kernel" }),
  imkmsg: (_first, _all, _line, out) => out.source("kernel", { type: "kernel" }),
  imjournal: (_first, _all, _line, out) => out.source("journal", { type: "journal" }),
  immark: (_first, _all, line, out) =>
    out.note(line, "immark: the agent writes no marks; its metrics tell that it is alive"),
  impstats: (_first, _all, line, out) =>
    out.note(line, "impstats: see the key status; the metrics have rsyslog's names, too (rsyslog_pstat_…)"),
};

const inputs: Readonly<Record<string, Maker>> = {
  imfile: (first, all, line, out) => {
    const file = first("file");
    if (file === undefined) return out.note(line, "imfile: it names no file");
    const start: Part = first("freshstarttail")?.toLowerCase() === "on" ? { start: "end" } : {};
    const regex = first("startmsg.regex");
    const tag = first("tag")?.replace(/:$/, "");
    out.source(tag ?? "files", {
      type: "file",
      include: all("file").length > 0 ? all("file") : [file],
      ...start,
      ...(tag === undefined ? {} : { program: tag }),
      ...(first("severity") === undefined ? {} : { severity: first("severity") }),
      ...(first("facility") === undefined ? {} : { facility: first("facility") }),
      ...(regex === undefined ? {} : { multiline: { startPattern: regex } }),
    });
    if (first("addmetadata")?.toLowerCase() === "on") out.note(line, "imfile: addMetadata is not translated");
  },
  imudp: (first, _all, _line, out) =>
    out.source("udp", { type: "syslog", listen: `udp://${listenAt(first("address"), first("port") ?? "514")}` }),
  imtcp: (first, _all, line, out) => {
    out.source("tcp", { type: "syslog", listen: `tcp://${listenAt(first("address"), first("port") ?? "514")}` });
    if (first("streamdriver.mode") === "1") {
      out.note(line, "imtcp: add the key tls to the source; see agent check --sample");
    }
  },
  imptcp: (first, _all, _line, out) =>
    out.source("tcp", { type: "syslog", listen: `tcp://${listenAt(first("address"), first("port") ?? "514")}` }),
  imuxsock: (first, _all, _line, out) =>
    out.source("socket", { type: "syslog", listen: `unix:${first("socket") ?? "/dev/log"}` }),
  imrelp: (first, all, _line, out) => {
    const tls = first("tls")?.toLowerCase() === "on";
    const peers = all("tls.permittedpeer");
    out.source("relp", {
      type: "relp",
      listen: listenAt(first("address"), first("port") ?? "2514"),
      ...(tls
        ? {
          tls: {
            enabled: true,
            ...(first("tls.authmode") === undefined ? {} : { authMode: first("tls.authmode") }),
            ...(peers.length === 0 ? {} : { permittedPeer: peers }),
            ...named({ ca: first("tls.cacert"), cert: first("tls.mycert"), key: first("tls.myprivkey") }),
          },
        }
        : {}),
    });
  },
};

const serverDirectives: Readonly<Record<string, string>> = {
  udpserverrun: "imudp",
  inputtcpserverrun: "imtcp",
  inputptcpserverrun: "imptcp",
  inputrelpserverrun: "imrelp",
};

/** Modules whose work is translated where they are used, or needs no counterpart. */
const silentModules: ReadonlySet<string> = new Set([
  ...["imfile", "imudp", "imtcp", "imptcp", "imrelp", "omrelp", "omfwd", "omfile", "builtin:omfile", "builtin:omfwd"],
  ...["lmnsd_gtls", "lmnsd_ossl", "gtls", "ossl"],
]);

function listenAt(address: string | undefined, port: string): string {
  const host = address ?? "0.0.0.0";
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Without what is undefined. */
export function named(values: Readonly<Record<string, unknown>>): Part {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
