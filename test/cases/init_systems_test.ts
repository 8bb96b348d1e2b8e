/** `agent service` under the supervisors that it writes for: started, killed and started again, stopped, and taken away. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { startCollector } from "../peers/collector.ts";
import { RunningProgram, runProgram } from "../peers/process.ts";
import { startRelpServer } from "../peers/rsyslog.ts";
import { ServiceRoot } from "../peers/service.ts";
import { needs } from "../peers/skip.ts";

/** Real supervisors: how each is started over the installed files, and how it is told to stop the service. */
const supervisors: Readonly<
  Record<string, {
    readonly needed: readonly string[];
    readonly start: (root: ServiceRoot) => readonly [string, readonly string[]];
    readonly stop: (root: ServiceRoot) => readonly [string, readonly string[]];
    /** What ends the supervisor with all that it runs. */
    readonly end: Deno.Signal;
  }>
> = {
  s6: {
    needed: ["s6-svscan", "s6-log"],
    start: ({ root }) => ["s6-svscan", [join(root, "etc/s6")]],
    end: "SIGTERM",
    stop: ({ root, name }) => ["s6-svc", ["-wD", "-T", "60000", "-d", join(root, "etc/s6", name)]],
  },
  runit: {
    needed: ["runsvdir", "svlogd"],
    start: ({ root }) => ["runsvdir", [join(root, "etc/sv")]],
    end: "SIGHUP",
    stop: ({ root, name }) => ["sv", ["-w", "60", "down", join(root, "etc/sv", name)]],
  },
};

for (const [init, { needed, start, stop, end }] of Object.entries(supervisors)) {
  Deno.test({
    name:
      `agent service install --init ${init}: its supervisor starts the agent again after kill -9, and nothing is lost`,
    ...needs("rsyslogd", "root", ...needed),
    fn: async () => {
      await using server = await startRelpServer({ direct: true });
      using root = new ServiceRoot(server.port);
      await root.service("install", ["--init", init]);
      const [program, args] = start(root);
      await using supervisor = RunningProgram.start(program, args, { name: init });
      root.append("line 0");
      await server.waitForText("line 0");
      const [first] = root.agents();
      Deno.kill(first!, "SIGKILL");
      root.append("line 1");
      await server.waitForText("line 1");
      ok(!root.agents().includes(first!), "it is another process");
      await runProgram(...stop(root));
      deepStrictEqual(root.agents(), []);
      // A kill between the delivery and the commit of the first line repeats it; nothing else may be there twice.
      ok(server.lines <= 3, `${server.lines} lines`);
      supervisor.signal(end);
      await supervisor.waitForExit();
    },
  });
}

Deno.test({
  name: "agent service install --init sysv: the script starts, revives, reports and stops the agent",
  ...needs("rsyslogd", "root"),
  fn: async () => {
    await using server = await startRelpServer({ direct: true });
    using root = new ServiceRoot(server.port);
    await root.service("install", ["--init", "sysv"]);
    const script = root.path(`etc/init.d/${root.name}`);
    try {
      await runProgram(script, ["status"], { expectCode: 3 });
      await runProgram(script, ["start"]);
      root.append("line 0");
      await server.waitForText("line 0");
      match((await runProgram(script, ["status"])).stdout, /is running/);
      Deno.kill(root.agents()[0]!, "SIGKILL");
      root.append("line 1");
      await server.waitForText("line 1");
    } finally {
      await runProgram(script, ["stop"]);
      Deno.removeSync(`/var/log/${root.name}.log`);
    }
    deepStrictEqual(root.agents(), []);
  },
});

Deno.test({
  name: "systemd takes the unit, and finds the service well shut in",
  ...needs("systemd-analyze"),
  fn: async () => {
    using root = new ServiceRoot(1);
    await root.service("install", ["--init", "systemd"]);
    const unit = root.path(`etc/systemd/system/${root.name}.service`);
    await runProgram("systemd-analyze", ["verify", unit]);
    const { stdout } = await runProgram("systemd-analyze", ["security", "--offline=true", unit]);
    const [, exposure] = /Overall exposure level for .*: ([\d.]+)/.exec(stdout)!;

    ok(Number(exposure) < 4, `exposure ${exposure}`);
  },
});

Deno.test("every init system's scripts are shell that a shell can read, and name nothing that is not filled in", async () => {
  using root = new ServiceRoot(1);
  for (const init of ["systemd", "openrc", "procd", "s6", "s6-rc", "runit", "sysv"]) {
    const { stdout } = await root.service("print", ["--init", init, "--json"]);
    const { files } = JSON.parse(stdout) as { files: readonly { path: string; content: string; mode: number }[] };
    for (const { path, content, mode } of files) {
      const text = content.replace(/SystemCallFilter=@system-service/, "");
      ok(!/@[A-Z_]+@/.test(text), `${init}: ${path}`);
      if (!content.startsWith("#!")) continue;
      strictEqual(mode, 0o755, path);
      const script = root.path("script");
      Deno.writeTextFileSync(script, content);
      await runProgram("sh", ["-n", script]);
    }
  }
});

Deno.test("agent service never replaces nor removes what is not its own, and leaves no trace of what is", async () => {
  using root = new ServiceRoot(1);
  const unit = `etc/systemd/system/${root.name}.service`;
  Deno.mkdirSync(root.path("etc/systemd/system"), { recursive: true });
  Deno.writeTextFileSync(root.path(unit), "[Service]\nExecStart=/bin/true\n");
  match((await root.service("install", ["--init", "systemd"], 1)).stderr, /there is one that agent did not write/);
  await root.service("uninstall", ["--init", "systemd"]);
  match(root.read(unit), /bin\/true/);
  Deno.removeSync(root.path(unit));
  for (const init of ["systemd", "s6", "s6-rc", "runit", "procd", "openrc", "sysv"]) {
    await root.service("install", ["--init", init]);
    const { stderr } = await root.service("install", ["--init", init]);
    ok(!stderr.includes("wrote"), `${init}: a second time changes nothing`);
    await root.service("uninstall", ["--init", init]);
    deepStrictEqual(filesBelow(root.path("etc")), [], init);
  }
});

Deno.test("agent service tells the init system from what runs the machine", async () => {
  using root = new ServiceRoot(1);
  match((await root.service("print", [], 1)).stderr, /Cannot tell which init system runs/);
  Deno.mkdirSync(root.path("etc/init.d"), { recursive: true });
  match((await root.service("print", [])).stdout, /BEGIN INIT INFO/);
  Deno.mkdirSync(root.path("run/systemd/system"), { recursive: true });
  match((await root.service("print", [])).stdout, /\[Service\]/);
});

Deno.test("agent ship tells its service manager when it is ready, reloads, lives and stops", async () => {
  await using collector = await startCollector();
  using root = new ServiceRoot(collector.port);
  const path = join(root.root, "notify");
  const manager = Deno.listenDatagram({ transport: "unixpacket", path });
  using _closing = { [Symbol.dispose]: () => manager.close() };
  const { command, args } = agentCommand(["ship", "--config", root.config, "--state", root.state]);
  const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: "200000" };
  await using ship = RunningProgram.start(command, args, { name: "agent ship", env });
  await waitFor(manager, "READY=1");
  await waitFor(manager, "WATCHDOG=1");
  ship.signal("SIGHUP");
  await waitFor(manager, "RELOADING=1");
  await waitFor(manager, "READY=1");
  ship.signal("SIGTERM");
  await waitFor(manager, "STOPPING=1");
  strictEqual((await ship.waitForExit()).code, 143);
});

/** Waits for a state; the watchdog's beat in between is let pass. */
async function waitFor(manager: Deno.DatagramConn, wanted: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const [bytes] = await manager.receive();
    const state = new TextDecoder().decode(bytes);
    if (state === wanted) return;
    ok(["WATCHDOG=1", "READY=1"].includes(state), `${state} where ${wanted} is waited for`);
  }
  throw new Error(`${wanted} did not come`);
}

function filesBelow(folder: string): readonly string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(join(folder, name)) : [join(folder, name)]
  );
}
