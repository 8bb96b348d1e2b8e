/** Collectors of Kubernetes: through kubectl, one that hangs, the API, and under the names of k3s's script. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { k3sCommandName, k3sScriptCollectors } from "../../src/dump/collectors/k3s.ts";
import { type Machine, readMachine } from "../../src/dump/machine.ts";
import { collect } from "../peers/collecting.ts";
import { waitFor } from "../peers/process.ts";
import { Pki } from "../peers/pki.ts";
import { needs } from "../peers/skip.ts";
import { allTexts, collectorOf, inFolder, machineWith } from "../peers/collector_place.ts";

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

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
