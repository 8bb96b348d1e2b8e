/** Collectors on a machine without commands, among traps, with commands that hang, without rights, and on this machine. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Collector } from "../../src/dump/collector.ts";
import { analysers } from "../../src/dump/analysers/mod.ts";
import { type CollectorOptions, collectors } from "../../src/dump/collectors/mod.ts";
import { k3sCommandName, k3sScriptCollectors } from "../../src/dump/collectors/k3s.ts";
import { type Machine, readMachine } from "../../src/dump/machine.ts";
import { collect, collectAll, type Collected } from "../peers/collecting.ts";
import { makeFakeRoot, plantTraps, writeTree } from "../peers/fake_root.ts";
import { runProgram, waitFor } from "../peers/process.ts";
import { Pki } from "../peers/pki.ts";
import { needs, onlyIf } from "../peers/skip.ts";

async function inFolder(test: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "dump-collectors-" });
  try {
    await test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function collectorOf(id: string, options: CollectorOptions = {}): Collector {
  const found = collectors(options).find((one) => one.id === id);
  ok(found, `there is a collector "${id}"`);
  return found;
}

/** A machine whose only programs are scripts of `folder`. */
function machineWith(folder: string, scripts: Readonly<Record<string, string>>): Machine {
  for (const [name, body] of Object.entries(scripts)) {
    Deno.writeTextFileSync(join(folder, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }
  return { ...readMachine("/", { searchPath: folder }), kinds: new Set(["kubernetes"]) };
}

function allTexts(all: Iterable<Collected>): string {
  return [...all].flatMap(({ texts }) => [...texts].map(([path, text]) => `${path}\n${text}`)).join("\n");
}

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

Deno.test({
  name: "logs collector passes pipes, devices, loops, links out and a sparse terabyte",
  ...needs("mkfifo"),
  fn: () =>
    inFolder(async (folder) => {
      using _traps = plantTraps(folder);
      const { texts, artifacts, error } = await collect(readMachine(folder), collectorOf("logs/files"), {
        deadlineMs: 15_000,
      });
      strictEqual(error, undefined);
      const index = texts.get("logs/INDEX.txt")!;
      match(index, /^\/var\/log\/pipe\.log: not a file$/m);
      match(index, /^\/var\/log\/socket\.log: not a file$/m);
      match(index, /^\/var\/log\/zero\.log: a link to "\/dev\/zero", which is no place of logs$/m);
      match(index, /^\/var\/log\/shadow\.log: a link to "\/etc\/shadow"/m);
      match(index, /^\/var\/log\/up\.log: a link to "\/etc\/hostname"/m);
      match(index, /^\/var\/log\/wtmp: binary$/m);
      match(index, /^\/var\/log\/bin\.log: left out, binary$/m);
      strictEqual(texts.get("logs/var/log/cut.log"), "2026-11-20T10:00:00Z after the power cut\n");
      match(index, /^\/var\/log\/deep.*: too deep$/m);
      match(index, /^\/var\/log\/new\\nline\.log: taken/m);
      match(texts.get("logs/var/log/sparse.log")!, /left out: the first \d{12,} bytes/);
      match(texts.get("logs/var/log/sparse.log")!, /the end of a terabyte\n$/);
      ok(texts.get("logs/var/log/sparse.log")!.length < 100_000, "the hole was taken");
      ok(artifacts.has("logs/var/log/new\nline.log"));
      ok([...artifacts.keys()].every((path) => !/pipe|zero|shadow|loop|round|up\.log|socket|too-deep/.test(path)));
      strictEqual(artifacts.get("logs/var/log/broken.gz")!.encoding, "gzip");
      const asked = await collect(
        readMachine(folder),
        collectors({ include: ["/var/log/**/{pipe,zero,loop}.log"] })
          .find(({ id }) => id.startsWith("files/"))!,
        { deadlineMs: 5_000 },
      );
      strictEqual(asked.error, undefined);
      deepStrictEqual(asked.notes.map(({ about }) => about), ["files/var/log/pipe.log", "files/var/log/loop.log"]);
      match(asked.notes[0]!.text, /it is a pipe, not a file/);
    }),
});

Deno.test("logs collector ends with a log that grows, and with one that is cut and replaced while it is read", () =>
  inFolder(async (folder) => {
    const log = join(folder, "var/log/app.log");
    const path = "logs/var/log/app.log";
    const content = "2026-11-20T10:00:00Z first\n".repeat(40_000);
    writeTree(folder, { "var/log/app.log": content });
    const machine = readMachine(folder);
    let chunks = 0;
    const grown = await collect(machine, collectorOf("logs/files"), {
      onChunk: () => {
        if (chunks++ < 50) Deno.writeTextFileSync(log, "more\n".repeat(100_000), { append: true });
      },
    });
    strictEqual(grown.error, undefined);
    strictEqual(grown.texts.get(path), content, "what was there when it was looked at, and no more");
    let isCut = false;
    const cut = await collect(machine, collectorOf("logs/files"), {
      onChunk: () => {
        if (isCut) return;
        isCut = true;
        Deno.truncateSync(log, 10);
        Deno.renameSync(log, `${log}.1`);
        Deno.writeTextFileSync(log, "another\n");
      },
    });
    strictEqual(cut.error, undefined);
    ok(cut.texts.get(path)!.startsWith("2026-11-20T10:00:00Z first\n"));
    ok(!cut.texts.get(path)!.includes("another"));
  }));

Deno.test("logs collector has the system's log first and every other log, whatever fills a folder beside it", () =>
  inFolder(async (folder) => {
    const many = Object.fromEntries(
      Array.from({ length: 1_100 }, (_, i) => [`var/log/app/${i % 5}/deep/f${String(i).padStart(4, "0")}.log`, "x\n"]),
    );
    const wide = Object.fromEntries(
      Array.from({ length: 1_100 }, (_, i) => [`var/log/app/wide/f${String(i).padStart(4, "0")}.log`, "x\n"]),
    );
    const others = { "var/log/messages": "the system\n", "var/log/zz/late.log": "late\n", "var/log/zz.log": "y\n" };
    writeTree(folder, { ...many, ...wide, ...others });
    Deno.utimeSync(join(folder, "var/log/messages"), new Date(), new Date("2026-11-01T00:00:00Z"));
    const { texts, error } = await collect(readMachine(folder), collectorOf("logs/files"));
    strictEqual(error, undefined);
    strictEqual([...texts.keys()][0], "logs/var/log/messages", "though it is the oldest");
    for (const name of Object.keys(others)) ok(texts.has(`logs/${name}`), name);
    ok(texts.has("logs/var/log/app/wide/f0000.log") && texts.has("logs/var/log/app/wide/f1099.log"));
    strictEqual(texts.has("logs/var/log/app/wide/f0550.log"), false);
    match(texts.get("logs/INDEX.txt")!, /^\/var\/log\/app\/wide: of 1100 names only the first and the last 500 /m);
    strictEqual([...texts.keys()].filter((path) => path.includes("/deep/")).length, 1_100);
  }));

Deno.test("logs collector keeps a span of time in every form of log, and says what has no times", () =>
  inFolder(async (folder) => {
    const old = "2026-11-20T10:00:00Z h a: old";
    const young = "2026-11-20T12:00:00Z h a: young";
    const late = "2026-11-20T14:00:00Z h a: late";
    writeTree(folder, {
      "var/log/iso.log": `${old}\n  continued old\n${young}\n  continued young\n${late}\n`,
      "var/log/packed.log.1.gz": gzipSync(`${old}\n${young}\n`),
      "var/log/json.log": `{"__REALTIME_TIMESTAMP":"${Date.UTC(2026, 10, 20, 10) * 1_000}","MESSAGE":"old"}\n` +
        `{"__REALTIME_TIMESTAMP":"${Date.UTC(2026, 10, 20, 12) * 1_000}","MESSAGE":"young"}\n`,
      "var/log/unset.log": "1970-01-01T00:00:09Z h a: young, of a clock that was not set\n",
      "var/log/plain.log": "no time at all\n",
      "var/log/stale.log": `${old}\n`,
    });
    Deno.utimeSync(
      join(folder, "var/log/stale.log"),
      new Date("2026-11-20T10:00:00Z"),
      new Date("2026-11-20T10:00:00Z"),
    );
    for (const name of ["iso.log", "packed.log.1.gz", "json.log", "unset.log", "plain.log"]) {
      Deno.utimeSync(join(folder, "var/log", name), new Date(), new Date("2026-11-20T14:00:00Z"));
    }
    const { texts, error } = await collect(readMachine(folder), collectorOf("logs/files"), {
      since: new Date("2026-11-20T11:00:00Z"),
      until: new Date("2026-11-20T13:00:00Z"),
    });
    strictEqual(error, undefined);
    strictEqual(texts.get("logs/var/log/iso.log"), `${young}\n  continued young\n`);
    strictEqual(texts.get("logs/var/log/packed.log.1"), `${young}\n`);
    match(texts.get("logs/var/log/json.log")!, /^[^\n]*young"\}\n$/);
    match(texts.get("logs/var/log/unset.log")!, /not set/);
    strictEqual(texts.get("logs/var/log/plain.log"), "no time at all\n");
    strictEqual(texts.has("logs/var/log/stale.log"), false);
    const index = texts.get("logs/INDEX.txt")!;
    match(index, /plain\.log: taken whole, its 1 lines have no times/);
    match(index, /stale\.log: left out, last written before --since/);
    match(index, /iso\.log: taken, 2 of 5 lines/);
  }));

Deno.test({
  name:
    "kubernetes collector asks for every type, never for the value of a Secret, and takes logs of restarted pods twice",
  ...needs("sh"),
  fn: () =>
    inFolder(async (folder) => {
      const asked = join(folder, "asked");
      const machine = machineWith(folder, {
        kubectl: `echo "$*" >> ${asked}
case "$*" in
  version*) echo "clientVersion: {}" ;;
  "get pods"*go-template*) printf 'ns1 pod1 main 3\\nns1 pod2 side 0\\n' ;;
  api-resources*namespaced=true*) printf 'pods\\nsecrets\\ncertificates.cert-manager.io\\n' ;;
  api-resources*) printf 'nodes\\n' ;;
  logs*) echo "2026-11-20T10:00:00Z line" ;;
  "get secrets"*go-template*) printf 'items:\\n- metadata:\\n    name: "s"\\n  keys:\\n  - "password"\\n' ;;
  *) echo "kind: List" ;;
esac`,
      });
      const { texts, notes, error } = await collect(machine, collectorOf("kubernetes/cluster"));
      strictEqual(error, undefined);
      deepStrictEqual(notes, []);
      for (const name of ["pods", "secrets", "certificates.cert-manager.io", "nodes"]) {
        ok(texts.has(`kube/kubectl_get_${name}.yaml`), name);
      }
      match(texts.get("kube/kubectl_logs_ns1_pod1_main.log")!, /line/);
      ok(texts.has("kube/kubectl_logs_ns1_pod1_main_previous.log"));
      ok(!texts.has("kube/kubectl_logs_ns1_pod2_side_previous.log"));
      match(texts.get("kube/kubectl_get_secrets.yaml")!, /keys:\n {2}- "password"/);
      const lines = Deno.readTextFileSync(asked).split("\n");
      const secrets = lines.filter((line) => line.includes("secrets") && !line.startsWith("api-resources"));
      strictEqual(secrets.length, 1);
      match(secrets[0]!, /go-template=/);
      ok(!/\$v\b(?! :=)/.test(secrets[0]!.replace("$k, $v := .data", "")), "the template prints a value");
      ok(lines.some((line) => line.startsWith("logs") && line.includes("--timestamps")));
    }),
});

Deno.test({
  name: "kubernetes collector ends with a kubectl that hangs with a child, and leaves none behind",
  ...needs("sh", "sleep"),
  fn: () =>
    inFolder(async (folder) => {
      const pids = join(folder, "pids");
      const machine = machineWith(folder, {
        kubectl: `/bin/sleep 1000 & echo $! >> ${pids}; echo $$ >> ${pids}; /bin/sleep 1000`,
      });
      const { notes } = await collect(machine, collectorOf("kubernetes/cluster"), { deadlineMs: 3_000 });
      ok(notes.some(({ state }) => state === "timeout"), JSON.stringify(notes));
      const started = Deno.readTextFileSync(pids).trim().split("\n").map(Number);
      ok(started.length >= 2);
      await waitFor(() => started.every((pid) => !isAlive(pid)), "the end of kubectl and its child");
    }),
});

Deno.test("kubernetes collector says what is missing where there is neither kubectl nor an account", () =>
  inFolder(async (folder) => {
    const machine: Machine = { ...readMachine(folder), kinds: new Set(["kubernetes"]) };
    const { notes, error } = await collect(machine, collectorOf("kubernetes/cluster"));
    strictEqual(error, undefined);
    deepStrictEqual(notes.map(({ state }) => state), ["missing"]);
    match(notes[0]!.text, /Try: kubectl in the PATH.*https:/);
  }));

Deno.test({
  name: "kubernetes collector asks the API where there is no kubectl, and no value of a Secret ever comes",
  ...needs("openssl"),
  fn: () =>
    inFolder(async (folder) => {
      using pki = await Pki.make();
      const { cert, key } = pki.server;
      const asked: string[] = [];
      const base64 = (path: string): string => btoa(Deno.readTextFileSync(path));
      const server = Deno.serve({
        port: 0,
        hostname: "127.0.0.1",
        onListen: () => {},
        cert: Deno.readTextFileSync(cert),
        key: Deno.readTextFileSync(key),
      }, (request) => {
        const { pathname, search } = new URL(request.url);
        const isMetadata = request.headers.get("accept")!.includes("as=PartialObjectMetadataList");
        asked.push(`${pathname}${search}${isMetadata ? " metadata" : ""}`);
        if (request.headers.get("authorization") !== "Bearer planted-token") return new Response("", { status: 401 });
        const answer = apiAnswers[isMetadata ? `${pathname} metadata` : pathname];
        return answer === undefined ? new Response("", { status: 403 }) : Response.json(answer);
      });
      try {
        const kubeconfig = join(folder, "config");
        Deno.writeTextFileSync(
          kubeconfig,
          `clusters:\n- cluster:\n    certificate-authority-data: ${base64(pki.ca)}\n` +
            `    server: https://127.0.0.1:${server.addr.port}\nusers:\n- user:\n    token: planted-token\n`,
        );
        const machine = readMachine("/", { searchPath: folder });
        const { texts, notes, error } = await collect(
          machine,
          collectorOf("kubernetes/cluster", { kubernetes: { kubeconfig } }),
        );
        strictEqual(error, undefined);
        match(texts.get("kube/kubectl_logs_ns1_pod1_main.log")!, /a line of the pod/);
        match(texts.get("kube/kubectl_get_widgets.example.test.json")!, /widget1/);
        deepStrictEqual(JSON.parse(texts.get("kube/kubectl_get_secrets.json")!).items, [
          { metadata: { name: "s1", namespace: "ns1" } },
        ]);
        deepStrictEqual(notes.map(({ about, state }) => `${state} ${about}`), ["denied kube/api/api/v1/nodes"]);
        deepStrictEqual(asked.filter((line) => line.includes("secrets")), ["/api/v1/secrets metadata"]);
        ok(!allTexts([{ texts, artifacts: new Map(), notes }]).includes("planted-"));
      } finally {
        await server.shutdown();
      }
    }),
});

/** A small cluster: one pod, one Secret, a resource of its own, and nodes that may not be listed. */
const apiAnswers: Readonly<Record<string, unknown>> = {
  "/version": { gitVersion: "v1.30" },
  "/apis": { groups: [{ preferredVersion: { groupVersion: "example.test/v1" } }] },
  "/api/v1": {
    resources: [
      { name: "pods", namespaced: true, verbs: ["list"] },
      { name: "pods/log", namespaced: true, verbs: ["get"] },
      { name: "secrets", namespaced: true, verbs: ["list"] },
      { name: "nodes", namespaced: false, verbs: ["list"] },
    ],
  },
  "/apis/example.test/v1": { resources: [{ name: "widgets", namespaced: true, verbs: ["list", "get"] }] },
  "/apis/example.test/v1/widgets": { items: [{ metadata: { name: "widget1" } }] },
  "/api/v1/pods": {
    items: [{ metadata: { namespace: "ns1", name: "pod1" }, spec: { containers: [{ name: "main" }] } }],
  },
  "/api/v1/namespaces/ns1/pods/pod1/log": "a line of the pod",
  "/api/v1/secrets metadata": {
    kind: "PartialObjectMetadataList",
    items: [{ metadata: { name: "s1", namespace: "ns1", annotations: { "last-applied": "planted-value" } } }],
  },
};

Deno.test({
  name: "k3s script collectors give the files of the script with its names",
  ...needs("sh"),
  fn: () =>
    inFolder(async (folder) => {
      strictEqual(
        k3sCommandName(["kubectl", "describe", "pods", "--all-namespaces"]),
        "kubectl-describe-pods-allnamespaces",
      );
      strictEqual(k3sCommandName(["df", "-h"]), "df-h");
      const machine = machineWith(folder, {
        df: "echo full; echo odd >&2",
        id: "exit 3",
        pgrep: "echo 7",
        lsof: 'echo "$*"',
      });
      const { texts, notes } = await collect(machine, k3sScriptCollectors()[0]!);
      strictEqual(texts.get("system/df-h.txt"), "full\n");
      strictEqual(texts.get("system/df-h.err.txt"), "odd\n");
      strictEqual(texts.get("system/df-h.cmd.txt"), "df -h\n");
      ok(texts.has("system/id.cmd.txt") && !texts.has("system/id.txt"), "an empty output has no file");
      strictEqual(texts.get("system/lsof-n-P-p-7.txt"), "-n -P -p 7\n");
      ok(texts.has("system/_etc_os-release"));
      ok(notes.some(({ about, state }) => about === "system/id.txt" && state === "error"));
    }),
});

Deno.test({
  name: "what the user asks for: commands, files by pattern, databases, metrics, the agent's state",
  ...needs("sh"),
  fn: () =>
    inFolder(async (folder) => {
      writeTree(folder, {
        "data/a.conf": "a\n",
        "data/deep/b.conf": "b\n",
        "data/c.txt": "c\n",
        "data/round": { link: "." },
      });
      const { DatabaseSync } = await import("node:sqlite");
      const database = new DatabaseSync(join(folder, "data/d.db"));
      database.exec(
        "CREATE TABLE t(id INTEGER, name TEXT); INSERT INTO t VALUES (1, 'it''s'), (9007199254740993, NULL)",
      );
      database.close();
      const server = Deno.serve(
        { port: 0, hostname: "127.0.0.1", onListen: () => {} },
        (request) =>
          new Response(`up 1\nauthorized ${request.headers.get("authorization") === `Basic ${btoa("u:p")}` ? 1 : 0}\n`),
      );
      try {
        const options: CollectorOptions = {
          commands: [{ name: "fails", command: ["/bin/sh", "-c", "echo half; echo why >&2; exit 7"] }],
          include: [`${folder}/data/**/*.conf`, `${folder}/data/*.db`, `${folder}/none/*`],
          metrics: [`http://u:p@127.0.0.1:${server.addr.port}/metrics?token=t`],
          ownState: [
            { path: "state.json", kind: "json", origin: "the agent", read: () => "{}" },
            { path: "bad.txt", kind: "text", origin: "nowhere", read: () => Promise.reject(new Error("broken")) },
            { path: "none.txt", kind: "text", origin: "nothing", read: () => undefined },
          ],
        };
        const wanted = collectors(options).filter(({ id }) => /^(command|files|metrics|agent)\//.test(id));
        const all = await collectAll(readMachine(), wanted);
        const texts = new Map([...all.values()].flatMap((one) => [...one.texts]));
        const notes = [...all.values()].flatMap((one) => one.notes);
        strictEqual(texts.get("commands/fails.txt"), "half\n");
        strictEqual(texts.get(`files${folder}/data/a.conf`), "a\n");
        strictEqual(texts.get(`files${folder}/data/deep/b.conf`), "b\n");
        ok(!texts.has(`files${folder}/data/c.txt`));
        strictEqual(
          texts.get(`files${folder}/data/d.db.sql`),
          "CREATE TABLE t(id INTEGER, name TEXT);\nINSERT INTO \"t\" VALUES(1,'it''s');\n" +
            'INSERT INTO "t" VALUES(9007199254740993,NULL);\n',
        );
        strictEqual(texts.get(`metrics/127.0.0.1_${server.addr.port}_metrics.prom`), "up 1\nauthorized 1\n");
        strictEqual(texts.get("agent/state.json"), "{}");
        deepStrictEqual(notes.map(({ about, state }) => `${state} ${about}`), [
          "error agent/bad.txt",
          "error commands/fails.txt",
          `missing files${folder}/none/*`,
        ]);
        match(notes[1]!.stderr!, /why/);
        const said = JSON.stringify([wanted.map(({ id, summary, plan }) => [id, summary, plan(readMachine())]), notes]);
        ok(!/u:p|token=t/.test(said), "an address was shown with its secrets");
      } finally {
        await server.shutdown();
      }
    }),
});

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

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

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
