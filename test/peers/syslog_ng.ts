/**
 * The real syslog-ng, unpacked beside the system (`scripts/aside.ts`): a server that writes `host|program|message`, and a
 * client that reads a file. Loopback alone; its files are in a temporary folder.
 */
import { dirname, join } from "node:path";
import { asideFolder, libraryFolders } from "../../scripts/aside.ts";
import { asidePackages } from "../../scripts/packages.ts";
import type { Pki } from "./pki.ts";
import { freePort, isListening } from "./ports.ts";
import { RunningProgram } from "./process.ts";
import { type Condition, onlyIf } from "./skip.ts";

/** How messages travel: the driver `network` is RFC 3164 in lines, `syslog` RFC 5424 by count. */
export interface SyslogNgWay {
  readonly driver: "network" | "syslog";
  readonly transport: "tcp" | "udp" | "tls";
  /** For `tls`: both ends show and check certificates. */
  readonly pki?: Pki;
}

/** Ignores a test, aloud, where there is no syslog-ng. */
export function needsSyslogNg(): Condition {
  return onlyIf(asideFolder(asidePackages.syslogNg) !== undefined, `"${asidePackages.syslogNg}" is not unpacked`);
}

/** A running syslog-ng. Dispose it to end it and to remove its folder. */
export class SyslogNg implements AsyncDisposable {
  readonly folder: string;
  readonly program: RunningProgram;

  private constructor(folder: string, program: RunningProgram) {
    this.folder = folder;
    this.program = program;
  }

  /** Starts one that takes messages on a free port. */
  static async listen(way: SyslogNgWay): Promise<SyslogNgServer> {
    const port = freePort();
    const folder = Deno.makeTempDirSync({ prefix: "syslog-ng" });
    const output = join(folder, "out.log");
    const tls = way.pki === undefined ? "" : ` ${tlsBlock(way.pki, "server", "required-trusted")}`;
    const started = start(
      folder,
      `source s { ${way.driver}(ip("127.0.0.1") port(${port}) transport("${way.transport}")${tls}); };
destination d { file("${output}" template("\${HOST}|\${PROGRAM}|\${MSG}\\n")); };
log { source(s); destination(d); };`,
    );
    const server = Object.assign(new SyslogNg(folder, started), { port, output });
    if (way.transport === "udp") await started.waitForOutput(/starting up/);
    else await started.waitUntil(() => isListening(port), "syslog-ng");
    return server;
  }

  /** Starts one that sends the lines of `file` to a port of 127.0.0.1, as messages of the program `feeder`. */
  static send(file: string, port: number, way: SyslogNgWay): SyslogNg {
    const folder = Deno.makeTempDirSync({ prefix: "syslog-ng" });
    const tls = way.pki === undefined ? "" : ` ${tlsBlock(way.pki, "client", "required-trusted")}`;
    const config = `source s { file("${file}" flags(no-parse) program-override("feeder") follow-freq(0.1)); };
destination d { ${way.driver}("127.0.0.1" port(${port}) transport("${way.transport}")${tls}); };
log { source(s); destination(d); };`;
    return new SyslogNg(folder, start(folder, config));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program[Symbol.asyncDispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** A syslog-ng that takes messages. */
export interface SyslogNgServer extends SyslogNg {
  readonly port: number;
  /** What it took, one line per message. */
  readonly output: string;
}

function tlsBlock(pki: Pki, own: "server" | "client", verify: string): string {
  const { cert, key } = pki.pair(own);
  return `tls(key-file("${key}") cert-file("${cert}") ca-file("${pki.ca}") peer-verify(${verify}))`;
}

function start(folder: string, body: string): RunningProgram {
  const root = asideFolder(asidePackages.syslogNg)!;
  const libraries = libraryFolders(root);
  const modules = libraries.find((path) => /\/syslog-ng\/[\d.]+$/.test(path));
  const version = modules?.split("/").at(-1);
  if (modules === undefined || version === undefined) throw new Error(`Cannot find modules below "${root}"`);
  const config = join(folder, "syslog-ng.conf");
  const options =
    "stats-freq(0); flush-lines(100); keep-hostname(yes); use-dns(no); dns-cache(no); log-msg-size(65536); time-reopen(1);";
  Deno.writeTextFileSync(config, `@version: ${version}\noptions { ${options} };\n${body}\n`);
  return RunningProgram.start(join(root, "usr/sbin/syslog-ng"), [
    ...["--foreground", "--stderr", "--no-caps", "--cfgfile", config, "--module-path", modules],
    ...["--persist-file", join(folder, "persist"), "--pidfile", join(folder, "pid")],
    ...["--control", join(folder, "control")],
  ], { name: "syslog-ng", env: { LD_LIBRARY_PATH: [...libraries, dirname(modules)].join(":") } });
}
