/** Memory of the agent in a virtual machine, where no emulator's own memory is in the figures as under `qemu-aarch64-static`. */
import { match } from "node:assert/strict";
import { say } from "../../scripts/program.ts";
import type { VirtualMachine } from "../peers/vm.ts";

/** Says what `ship` has taken so far, and with `AGENT_VM_MEASURE=1` what it takes for 200,000 lines from a file to nowhere. */
export async function sayMemory(target: string, router: VirtualMachine): Promise<void> {
  const figures = "grep -E '^(VmHWM|VmRSS|RssAnon|RssFile):'";
  const idle = await router.console(
    `for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline | grep -q 'main.js ship' && ${figures} $p/status; done 2>/dev/null`,
    60_000,
    [0, 1],
  );
  match(idle, /VmHWM:\s+\d+ kB/);
  say(`  ${target}: ship after this course: ${inMiB(idle)}`);
  if (Deno.env.get("AGENT_VM_MEASURE") !== "1") return;
  const atWork = await router.console(
    "yes 'one line of eighty bytes, as programs on routers write them, more or less so.' | head -n 200000 >/tmp/load; " +
      "began=$(cut -d ' ' -f 1 /proc/uptime); agent ship --from file:/tmp/load --to stdout: --once >/dev/null 2>&1 & " +
      `while kill -0 $!; do ${figures} /proc/$!/status >/tmp/now && mv /tmp/now /tmp/last; sleep 1; done 2>/dev/null; ` +
      "cat /tmp/last; echo took $began to $(cut -d ' ' -f 1 /proc/uptime)",
    600_000,
  );
  say(`  ${target}: ship, 200,000 lines from a file to nowhere: ${inMiB(atWork)}`);
}

function inMiB(text: string): string {
  return text.replaceAll(/(\d+) kB/g, (_, kib) => `${Math.round(kib / 1024)} MiB`).replaceAll(/\s+/g, " ");
}
