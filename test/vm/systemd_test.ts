/**
 * `agent service install` where a real systemd is process 1: ready when it says so, started again when it is killed or hangs, and
 * able to read what it is there for although the unit shuts it in.
 */
import { match, strictEqual } from "node:assert/strict";
import { debianRoot } from "../../scripts/debian_root.ts";
import { say } from "../../scripts/program.ts";
import { newRun } from "../peers/numbered_lines.ts";
import { type RelpServer, startRelpServer } from "../peers/rsyslog.ts";
import { needs, onlyIf } from "../peers/skip.ts";
import { type VirtualMachine, vmKinds } from "../peers/vm.ts";
import { packedAgent } from "./packed.ts";
import { startSystemdMachine } from "./systemd_machine.ts";

const there = debianRoot("amd64") !== undefined && debianRoot("amd64", "systemd") !== undefined;

Deno.test({
  name: "agent service install under a real systemd: ready, watched, shut in and able to read",
  ignore: needs(vmKinds.amd64.emulator, "rsyslogd", "mkfs.ext4", "root").ignore ||
    onlyIf(there, "no kernel and systemd of x86_64").ignore,
  fn: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "systemd" });
    try {
      await using server = await startRelpServer({ direct: true });
      const agent = await packedAgent("x86_64", folder);
      await using machine = await startSystemdMachine(folder, { agent, config: configFor(server.port) });
      say(`  systemd after ${(await machine.waitForBoot(deadlineMs)).split(" ")[1]} s`);
      await story(machine, server);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

async function story(machine: VirtualMachine, server: RelpServer): Promise<void> {
  const run = newRun();
  const console = (command: string, codes: readonly number[] = [0]): Promise<string> =>
    machine.console(command, deadlineMs, codes);
  const show = (property: string): Promise<string> => console(`systemctl show -P ${property} agent`);
  const arrives = async (text: string): Promise<void> => {
    await server.waitForText(text).catch(async (error) => {
      throw new Error(`${error.message}\n${await console("journalctl --no-pager -n 40 -u agent")}`);
    });
  };
  const restartsAfter = async (command: string): Promise<void> => {
    // One command asks in the machine: each that is sent costs seconds there.
    const count = 'echo "$s" | sed -n s/NRestarts=//p';
    const again = `[ "$(${count})" -gt "$n" ] && echo "$s" | grep -q SubState=running`;
    const look = "s=$(systemctl show -p NRestarts -p SubState agent)";
    await console(`${look}; n=$(${count}); ${command}; until ${look}; ${again}; do sleep 2; done`);
  };

  // systemctl restart waits for READY=1, and install waits for that.
  await console("agent service install 2>&1");
  strictEqual(await show("ActiveState"), "active");
  match(await console("cat /proc/$(systemctl show -P MainPID agent)/status"), /NoNewPrivs:\s+1/);

  // What the hardening must leave to it.
  await console(`echo "<5>${run} of the kernel" >/dev/kmsg`);
  await console(`logger "${run} of the journal"`);
  await console(`echo "${run} of a file" >>/var/log/app.log`);
  for (const origin of ["the kernel", "the journal", "a file"]) await arrives(`${run} of ${origin}`);
  say("  reads /dev/kmsg, the journal and /var/log");

  await console("systemctl reload agent");
  await restartsAfter("systemctl kill -s KILL agent");
  say("  started again after kill -9");
  await restartsAfter("systemctl kill -s STOP agent");
  match(await console("journalctl --no-pager -u agent"), /Watchdog timeout/);
  say("  started again by the watchdog");
  await console(`echo "${run} after the watchdog" >>/var/log/app.log`);
  await arrives(`${run} after the watchdog`);

  await console("systemctl stop agent");
  strictEqual(await show("ActiveState"), "inactive", "a stop is no failure");
  await console("agent service uninstall 2>&1");
  await console("systemctl cat agent", [1]);
}

function configFor(port: number): string {
  return JSON.stringify({
    sources: {
      app: { type: "file", include: ["/var/log/app.log"] },
      kernel: { type: "kernel" },
      journal: { type: "journal" },
    },
    sinks: { loghost: { type: "relp", target: "loghost", port, resumeIntervalMax: "1s" } },
  });
}

const deadlineMs = 300_000;
