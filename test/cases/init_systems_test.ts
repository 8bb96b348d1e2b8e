/** `agent service` under the supervisors that it writes for: started, killed and started again, stopped, and taken away. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { startCollector } from "../peers/collector.ts";
import { needsOpenRc, OpenRc } from "../peers/openrc.ts";
import { RunningProgram, runProgram, waitFor } from "../peers/process.ts";
import { startRelpServer } from "../peers/rsyslog.ts";
import { ServiceRoot } from "../peers/service.ts";
import { needs } from "../peers/skip.ts";

/** Real supervisors: how each is started over the installed files, and how it is told what to do with the service. */
const supervisors: Readonly<
  Record<string, {
    readonly needed: readonly string[];
    readonly start: (root: ServiceRoot) => readonly [string, readonly string[]];
    readonly tell: (action: "stop" | "start" | "reload", root: ServiceRoot) => readonly [string, readonly string[]];
    /** What ends the supervisor with all that it runs. */
    readonly end: Deno.Signal;
  }>
> = {
  s6: {
    needed: ["s6-svscan", "s6-log"],
    start: ({ root }) => ["s6-svscan", [join(root, "etc/s6")]],
    end: "SIGTERM",
    tell: (action, { root, name }) => {
      const words = { stop: ["-wD", "-T", "60000", "-d"], start: ["-wu", "-T", "60000", "-u"], reload: ["-h"] };
      return ["s6-svc", [...words[action], join(root, "etc/s6", name)]];
    },
  },
  runit: {
    needed: ["runsvdir", "svlogd"],
    start: ({ root }) => ["runsvdir", [join(root, "etc/sv")]],
    end: "SIGHUP",
    tell: (action, { root, name }) => {
      const words = { stop: ["-w", "60", "down"], start: ["-w", "60", "up"], reload: ["hup"] };
      return ["sv", [...words[action], join(root, "etc/sv", name)]];
    },
  },
};

for (const [init, { needed, start, tell, end }] of Object.entries(supervisors)) {
  Deno.test({
    name:
      `agent service install --init ${init}: its supervisor starts the agent again after kill -9, reloads and stops it, and nothing is lost`,
    ...needs("rsyslogd", "root", ...needed),
    fn: async () => {
      await using server = await startRelpServer({ direct: true });
      using root = new ServiceRoot(server.port);
      await root.service("install", ["--init", init]);
      const [program, args] = start(root);
      await using supervisor = RunningProgram.start(program, args, { name: init });
      try {
        root.append("line 0");
        await server.waitForText("line 0");
        const [first] = root.agents();
        Deno.kill(first!, "SIGKILL");
        root.append("line 1");
        await server.waitForText("line 1");
        ok(!root.agents().includes(first!), "it is another process");
        await runProgram(...tell("reload", root));
        await waitFor(() => reloaded(`/var/log/${root.name}/current`), "what the agent says of its reload");
        for (const when of ["while it runs", "twice", "while it starts"]) {
          if (when === "while it starts") await runProgram(...tell("start", root));
          await runProgram(...tell("stop", root));
          deepStrictEqual(root.agents(), [], `stopped ${when}`);
        }
        // A kill between the delivery and the commit of the first line repeats it; nothing else may be there twice.
        ok(server.lines <= 3, `${server.lines} lines`);
      } finally {
        supervisor.signal(end);
        await supervisor.waitForExit();
      }
    },
  });
}

/** Whether an agent with that log has read its configuration again. */
function reloaded(log: string): boolean {
  return Deno.readTextFileSync(log).includes("going on with the new configuration");
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
      await runProgram(script, ["reload"]);
      await waitFor(() => reloaded(`/var/log/${root.name}.log`), "what the agent says of its reload");
      await runProgram(script, ["stop"]);
      deepStrictEqual(root.agents(), [], "stopped while it runs");
      await runProgram(script, ["stop"]);
      // What a power cut leaves where /var/run is on disk: an id that is somebody else's now.
      Deno.writeTextFileSync(`/var/run/${root.name}.pid`, `${Deno.pid}\n`);
      await runProgram(script, ["status"], { expectCode: 3 });
      await runProgram(script, ["stop"]);
      await runProgram(script, ["start"]);
      await waitFor(() => root.agents().length === 1, "an agent");
    } finally {
      await runProgram(script, ["stop"]);
      Deno.removeSync(`/var/log/${root.name}.log`);
    }
    deepStrictEqual(root.agents(), [], "stopped while it starts");
  },
});

Deno.test({
  name:
    "agent service install --init openrc: supervise-daemon starts, revives and reloads the agent, and stop means stopped",
  ...needsOpenRc(),
  fn: async () => {
    await using server = await startRelpServer({ direct: true });
    using root = new ServiceRoot(server.port);
    await root.service("install", ["--init", "openrc"]);
    await using machine = await OpenRc.boot(root.root);
    await machine.add(`/etc/init.d/${root.name}`, root.read(`etc/init.d/${root.name}`));
    const service = (action: string, expectCode = 0): Promise<string> =>
      machine.run(`rc-service ${root.name} ${action}`, expectCode);
    await service("status", 3);
    await service("start");
    root.append("line 0");
    await server.waitForText("line 0");
    match(await service("status"), /started/);
    await service("reload");
    const said = (): Promise<string> => machine.run(`cat /var/log/${root.name}.log`);
    await waitFor(async () => (await said()).includes("going on with the new"), "what the agent says of its reload");
    Deno.kill(root.agents()[0]!, "SIGKILL");
    root.append("line 1");
    await server.waitForText("line 1");
    await service("stop");
    deepStrictEqual(root.agents(), [], "stopped");
    await service("stop");
    await service("status", 3);
    // The supervisor waits for 2 s before it starts the agent again: it is told to stop meanwhile.
    await service("start");
    root.append("line 2");
    await server.waitForText("line 2");
    Deno.kill(root.agents()[0]!, "SIGKILL");
    await service("stop");
    deepStrictEqual(root.agents(), [], "stopped while it was to be started again");
    await machine.run(`rc-service ${root.name} start && rc-service ${root.name} stop`);
    deepStrictEqual(root.agents(), [], "stopped while it started");
    // Without its supervisor the agent runs on.
    await service("start");
    root.append("line 3");
    await server.waitForText("line 3");
    await machine.run(`kill -9 $(cat /run/supervise-${root.name}.pid)`);
    strictEqual(root.agents().length, 1);
    await service("stop");
    deepStrictEqual(root.agents(), [], "stopped although nobody supervised it");
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
  await waitForState(manager, "READY=1");
  await waitForState(manager, "WATCHDOG=1");
  ship.signal("SIGHUP");
  await waitForState(manager, "RELOADING=1");
  await waitForState(manager, "READY=1");
  ship.signal("SIGTERM");
  await waitForState(manager, "STOPPING=1");
  strictEqual((await ship.waitForExit()).code, 143);
});

/** Waits for a state; the watchdog's beat in between is let pass. */
async function waitForState(manager: Deno.DatagramConn, wanted: string): Promise<void> {
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
