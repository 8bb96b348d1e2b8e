/** Collectors on a machine without commands, without rights, and on this machine. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { analysers } from "../../src/dump/analysers/mod.ts";
import { type CollectorOptions, collectors } from "../../src/dump/collectors/mod.ts";
import { readMachine } from "../../src/dump/machine.ts";
import { collectAll } from "../peers/collecting.ts";
import { makeFakeRoot, writeTree } from "../peers/fake_root.ts";
import { runProgram } from "../peers/process.ts";
import { needs, onlyIf } from "../peers/skip.ts";
import { allTexts, inFolder } from "../peers/collector_place.ts";

Deno.test("readMachine() tells what a folder is, and no link leads out of it", () =>
  inFolder((folder) => {
    makeFakeRoot(folder);
    writeTree(folder, {
      "bin/busybox": "",
      "etc/rancher/k3s/config.yaml": "",
      "evil": { link: "/etc/hostname" },
      "evil2": { link: "../../../../../../../../etc/hostname" },
      "loop": { link: "loop" },
    });
    Deno.chmodSync(join(folder, "bin/busybox"), 0o755);
    const machine = readMachine(folder);
    strictEqual(machine.live, false);
    strictEqual(machine.hostname, "router1");
    strictEqual(machine.init, "s6");
    deepStrictEqual([...machine.kinds].sort(), ["k3s", "kubernetes", "router"]);
    strictEqual(machine.which("busybox"), "/bin/busybox");
    strictEqual(machine.which("sh"), undefined);
    strictEqual(machine.locate("/etc/os-release"), join(folder, "usr/lib/os-release"));
    strictEqual(machine.locate("/evil"), join(folder, "etc/hostname"));
    strictEqual(machine.locate("/evil2"), join(folder, "etc/hostname"));
    strictEqual(machine.locate("/loop"), join(folder, "loop"));
    strictEqual(machine.locate("/../../etc/hostname"), join(folder, "etc/hostname"));
  }));

Deno.test("readMachine() knows init systems by what they leave in /run, and an empty folder as unknown", async () => {
  const signs = { systemd: "run/systemd/system/x", openrc: "run/openrc/x", s6: "run/s6-rc/x", procd: "sbin/procd" };
  for (const [init, path] of Object.entries(signs)) {
    await inFolder((folder) => {
      writeTree(folder, { [path]: "" });
      strictEqual(readMachine(folder).init, init);
    });
  }
  await inFolder((folder) => {
    const machine = readMachine(folder);
    strictEqual(machine.init, "unknown");
    strictEqual(machine.hostname, "");
    strictEqual(machine.kinds.size, 0);
  });
});

Deno.test("collectors are useful where there is not one command", () =>
  inFolder(async (folder) => {
    makeFakeRoot(folder);
    const all = await collectAll(readMachine(folder), collectors({ processes: ["app"] }));
    for (const [id, { error }] of all) strictEqual(error, undefined, id);
    const texts = new Map([...all.values()].flatMap((one) => [...one.texts]));
    match(texts.get("system/os-release")!, /OpenWrt/);
    match(texts.get("system/processes.txt")!, /^42 +1 +1000 +R .* 90000 .* \/usr\/bin\/app --listen :80$/m);
    match(texts.get("system/sysctl.txt")!, /^net\.ipv4\.ip_forward = 1$/m);
    match(texts.get("network/routes.txt")!, /^default via 192\.0\.2\.1 dev eth0 metric 10$/m);
    match(texts.get("network/sockets.txt")!, /^tcp +listen +0 +2 +127\.0\.0\.1:80 /m);
    match(texts.get("network/addresses.txt")!, /eth0 inet6 fe80::1\/64/);
    match(texts.get("router/config/network")!, /option proto 'dhcp'/);
    match(texts.get("kernel/pstore/dmesg-ramoops-0")!, /Kernel panic/);
    match(texts.get("services/supervised.txt")!, /^\/run\/service\/app +down +0 +2026-11-20T00:00:00.000Z +5$/m);
    match(texts.get("logs/var/log/messages")!, /Out of memory/);
    ok(texts.has("logs/var/log/messages.1.gz"));
    match(texts.get("processes/app/42.txt")!, /Max open files 64/);
    match(texts.get("processes/app/42.txt")!, /environment \(names only\)\nAPP_PASSWORD HOME PATH/);
    match(texts.get("processes/app/42-maps.txt")!, /1024 +\/usr\/bin\/app/);
    ok(!allTexts(all.values()).includes("planted-"), "a value of the environment or of a secret setting was read");
    const findings = await Promise.all(
      analysers.map((one) => one.analyse((path) => Promise.resolve(texts.get(path)), [...texts.keys()])),
    );
    const ids = findings.flat().map(({ id }) => id);
    for (const id of ["memory-low", "pressure-memory", "restart-loop", "oom-kill", "kernel-trace"]) {
      ok(ids.includes(id), id);
    }
  }));

Deno.test("every collector runs on this machine, within its deadline and without throwing", async () => {
  const options: CollectorOptions = { destinations: [{ host: "127.0.0.1", port: 9 }], processes: ["deno"] };
  const table = collectors(options);
  strictEqual(new Set(table.map(({ id }) => id)).size, table.length, "ids are unique");
  const all = await collectAll(readMachine(), table, { profile: "speed", deadlineMs: 60_000 });
  for (const [id, { error }] of all) strictEqual(error, undefined, `${id}: ${error}`);
  const texts = new Map([...all.values()].flatMap((one) => [...one.texts]));
  for (
    const path of [
      "system/os-release",
      "system/processes.txt",
      "system/disk.txt",
      "network/sockets.txt",
      "system/clock.txt",
    ]
  ) {
    ok((texts.get(path)?.length ?? 0) > 20, path);
  }
  match(texts.get("network/reachability.txt")!, /^tcp +127\.0\.0\.1:9 +ipv4 +fail/m);
  for (const path of texts.keys()) ok(!path.startsWith("/") && !path.split("/").includes(".."), path);
});

Deno.test({
  name: "collectors without rights say what is denied, with a hint, and throw nothing",
  ...(isReadableByAll() ? needs("root", "setpriv") : onlyIf(false, "this checkout is not readable by other users")),
  fn: () =>
    inFolder(async (folder) => {
      Deno.chmodSync(folder, 0o777);
      const out = join(folder, "out.json");
      const worker = fileURLToPath(new URL("dump_collectors_worker.ts", import.meta.url));
      await runProgram("setpriv", [
        ...["--reuid", "65534", "--regid", "65534", "--clear-groups", Deno.execPath()],
        ...["run", "-A", "--quiet", "--no-config", "--no-lock", worker, out],
      ], { env: { DENO_DIR: join(folder, "cache"), HOME: folder }, cwd: folder });
      const all = JSON.parse(Deno.readTextFileSync(out)) as {
        id: string;
        paths: string[];
        notes: { state: string; text: string }[];
        error?: string;
      }[];
      for (const { id, error } of all) strictEqual(error, undefined, id);
      const denied = all.flatMap(({ notes }) => notes).filter(({ state }) => state === "denied");
      ok(denied.length > 0, "something is for root alone");
      for (const { text } of denied) match(text, /^Cannot .*\nTry: run it as root/s);
      const paths = all.flatMap((one) => one.paths);
      for (const path of ["system/processes.txt", "system/disk.txt", "network/sockets.txt"]) {
        ok(paths.includes(path), path);
      }
    }),
});

/** Whether another user can run this very code: every folder above may be passed, the file may be read. */
function isReadableByAll(): boolean {
  const paths = [fileURLToPath(import.meta.url), Deno.realPathSync(Deno.execPath())];
  return paths.every((path) =>
    path.split("/").slice(1).every((_, i, parts) => {
      const { mode, isDirectory } = Deno.statSync("/" + parts.slice(0, i + 1).join("/"));
      return ((mode ?? 0) & (isDirectory ? 1 : 4)) !== 0;
    })
  );
}
