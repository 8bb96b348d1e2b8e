/** Dumps of several machines: over ssh to a real sshd, and over the routes of the status server. */
import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { join } from "node:path";
import { contentBytes } from "../../src/dump/kept_content.ts";
import { isDropped, type NodeEvidence } from "../../src/dump/evidence.ts";
import { readMachine } from "../../src/dump/machine.ts";
import { parseNodes } from "../../src/dump/nodes/address.ts";
import { gatherNodes, type NodesOptions } from "../../src/dump/nodes/nodes.ts";
import type { Redactor } from "../../src/dump/redaction.ts";
import { WorkFile } from "../../src/dump/work_file.ts";
import { agentCommand, agentScript } from "../peers/agent.ts";
import { freePort, isListening } from "../peers/ports.ts";
import { RunningProgram, runProgram, waitFor } from "../peers/process.ts";
import { findProgram, needs } from "../peers/skip.ts";
import { buildBundle, buildTarGz, sampleReport } from "../peers/tar_builder.ts";

/** Masks one word, so that it can be seen where redaction was done. */
const redactor: Redactor = {
  redact: (content) => ({
    content: (async function* (): AsyncGenerator<Uint8Array> {
      let text = "";
      for await (const bytes of content) text += new TextDecoder().decode(bytes);
      yield new TextEncoder().encode(text.replaceAll("hunter2", "***"));
    })(),
    counts: () => [],
  }),
  redactText: (text) => text.replaceAll("hunter2", "***").replaceAll("secret-host", "host-1"),
  leaks: () => Promise.resolve([]),
  maskKnown: (content) => ({ content, counts: () => [] }),
  mapping: () => [],
};

const evidence = {
  "nodes/remote/system/uname.txt": "Linux hunter2\n",
  "nodes/remote/logs/messages": "line\n".repeat(9_000),
};

class Scene implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "dump-nodes-" });
  readonly notes: string[] = [];
  readonly #work = WorkFile.inFolder(this.folder);

  gather(list: string, options: Partial<NodesOptions> = {}): Promise<readonly NodeEvidence[]> {
    return gatherNodes({
      nodes: parseNodes(list),
      wish: { profile: "speed", since: new Date("2026-11-20T00:00:00Z"), deadlineMs: 5_000 },
      deadlineMs: 60_000,
      machine: readMachine("/", { searchPath: this.folder }),
      http: { pollMs: 10 },
      store: { work: this.#work, redactor, level: 1, maxArtifactBytes: 1 << 20 },
      idOf: (name) => redactor.redactText(name).replace(/[^\w.-]/g, "_"),
      note: (text) => this.notes.push(text),
      signal: new AbortController().signal,
      ...options,
    });
  }

  [Symbol.dispose](): void {
    this.#work[Symbol.dispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

async function filesOf(node: NodeEvidence): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const artifact of node.collectors.flatMap(({ artifacts }) => artifacts)) {
    if (isDropped(artifact)) continue;
    files[artifact.path] = await new Response(ReadableStream.from(contentBytes(artifact.content))).text();
  }
  return files;
}

/** The files of a good node, as they are here. */
const expected = { "system/uname.txt": "Linux ***\n", "logs/messages": evidence["nodes/remote/logs/messages"] };

/** A real sshd for root with a key of its own, a folder of programs that it runs, and an `ssh` that knows it. */
async function startSshd(folder: string): Promise<RunningProgram> {
  Deno.mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  Deno.mkdirSync(join(folder, "bin"));
  for (const name of ["host", "user"]) {
    await runProgram("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, name)]);
  }
  const port = freePort();
  const publicKey = Deno.readTextFileSync(join(folder, "host.pub")).split(" ").slice(0, 2).join(" ");
  Deno.writeTextFileSync(join(folder, "known"), `[127.0.0.1]:${port} ${publicKey}\n`);
  Deno.copyFileSync(join(folder, "user.pub"), join(folder, "authorized"));
  Deno.chmodSync(join(folder, "authorized"), 0o600);
  Deno.writeTextFileSync(
    join(folder, "sshd.conf"),
    `ListenAddress 127.0.0.1:${port}\nHostKey ${join(folder, "host")}\nAuthorizedKeysFile ${
      join(folder, "authorized")
    }\n` +
      `StrictModes no\nPidFile none\nUsePAM no\nAcceptEnv KIND\nPermitRootLogin prohibit-password\n` +
      `SetEnv PATH=${join(folder, "bin")}:/usr/bin:/bin\n`,
  );
  const hosts = ["good", "incomplete", "hang", "missing", "liar", "cut", "sealed"].map((name) =>
    `Host ${name}\n HostName 127.0.0.1\n Port ${port}\n SetEnv KIND=${name}\n`
  );
  Deno.writeTextFileSync(
    join(folder, "ssh.conf"),
    `Host *\n User root\n IdentityFile ${join(folder, "user")}\n IdentitiesOnly yes\n UserKnownHostsFile ${
      join(folder, "known")
    }\n StrictHostKeyChecking yes\nHost closed\n HostName 127.0.0.1\n Port ${freePort()}\n${hosts.join("")}`,
  );
  put(join(folder, "ssh"), `#!/bin/sh\nexec ${findProgram("/usr/bin/ssh")} -F ${join(folder, "ssh.conf")} "$@"\n`);
  const sshd = RunningProgram.start(findProgram("sshd")!, ["-D", "-e", "-f", join(folder, "sshd.conf")]);
  await waitFor(() => isListening(port), "sshd");
  return sshd;
}

function put(path: string, script: string): void {
  Deno.writeTextFileSync(path, script, { mode: 0o755 });
  Deno.chmodSync(path, 0o755);
}

Deno.test({
  name: "gatherNodes() brings one folder per machine over ssh, with the reason where there is none",
  ...needs("sshd", "/usr/bin/ssh", "ssh-keygen", "root"),
  fn: async () => {
    using scene = new Scene();
    const { folder } = scene;
    await using sshd = await startSshd(folder);
    ok(sshd.pid > 0);
    const bundle = buildTarGz(buildBundle("b", evidence));
    Deno.writeFileSync(join(folder, "bundle"), bundle);
    const sealed = new TextEncoder().encode("age-encryption.org/v1\n-> X25519 abc\nand so on");
    Deno.writeFileSync(join(folder, "sealed"), sealed);
    put(
      join(folder, "bin/agent"),
      `#!/bin/sh
printf '%s\\n' "$*" >> ${folder}/words
case $KIND in
good) cat ${folder}/bundle ;;
incomplete) cat ${folder}/bundle; exit 3 ;;
hang) echo $$ > ${folder}/hanging; head -c 200 ${folder}/bundle; exec sleep 60 ;;
liar) echo 'hello, no dump'; echo 'agent: cannot, because hunter2' >&2; exit 1 ;;
cut) head -c ${bundle.length - 100} ${folder}/bundle; echo broken >&2; exit 1 ;;
sealed) cat ${folder}/sealed ;;
missing) exit 127 ;;
esac
`,
    );
    // The one that hangs holds it up to the deadline, which the others must not miss, however slow this machine is.
    const beganMs = performance.now();
    await scene.gather("good");
    const deadlineMs = Math.max(6_000, Math.round(20 * (performance.now() - beganMs)));
    const nodes = await scene.gather("good,incomplete,hang,closed,liar,cut,sealed,missing", { deadlineMs });
    deepStrictEqual(nodes.map(({ id }) => id), [
      "good",
      "incomplete",
      "hang",
      "closed",
      "liar",
      "cut",
      "sealed",
      "missing",
    ]);
    const [good, incomplete, hang, closed, liar, cut, sealedNode, missing] = nodes;
    deepStrictEqual(await filesOf(good!), expected);
    strictEqual(good!.failure, undefined);
    deepStrictEqual(good!.collectors.map(({ id, missing }) => [id, missing]), [["kube/kubectl", true], [
      "node/transfer",
      false,
    ]]);
    deepStrictEqual(await filesOf(incomplete!), expected);
    strictEqual(incomplete!.collectors.at(-1)!.status, "ok");
    match(hang!.failure!, /deadline/);
    match(closed!.failure!, /ssh ended with 255: .*refused/);
    match(liar!.failure!, /agent dump ended with 1: agent: cannot, because \*\*\*/);
    match(missing!.failure!, /not installed there/);
    strictEqual((await filesOf(cut!))["system/uname.txt"], expected["system/uname.txt"]);
    match(cut!.collectors.at(-1)!.reason!, /ended with 1: broken/);
    deepStrictEqual(await filesOf(sealedNode!), { "bundle.tar.gz.age": new TextDecoder().decode(sealed) });
    ok(scene.notes.some((note) => /^4 of 8 machines sent nothing$/.test(note)), scene.notes.join("\n"));
    match(
      Deno.readTextFileSync(join(folder, "words")),
      /^dump --output - --no-encrypt --profile speed --deadline 5000ms --progress none --since 2026-11-20T00:00:00\.000Z$/m,
    );
    // Our end is gone at the deadline. Over there sleep never writes, so nobody tells it; agent does write.
    Deno.kill(Number(Deno.readTextFileSync(join(folder, "hanging"))), "SIGKILL");
    const ours = async (): Promise<string> => (await runProgram("ps", ["-eo", "args"])).stdout;
    await waitFor(
      async () => !(await ours()).includes(join(folder, "ssh.conf")),
      "the end of all that was started here",
    );
  },
});

Deno.test({
  name: "agent dump --nodes makes one bundle of the agents over there, and says which sent nothing",
  ...needs("sshd", "/usr/bin/ssh", "ssh-keygen", "root"),
  fn: async () => {
    using scene = new Scene();
    const { folder } = scene;
    await using sshd = await startSshd(folder);
    ok(sshd.pid > 0);
    put(join(folder, "bin/agent"), agentScript("--only system/identity"));
    const { command, args } = agentCommand(["dump", "--nodes", "good,closed", "--output", join(folder, "all.tar.gz")]);
    const path = `${folder}:${Deno.env.get("PATH")}`;
    const dumped = await runProgram(command, args, { expectCode: 3, env: { PATH: path, TMPDIR: folder } });
    match(dumped.stderr, /closed: ssh ended with 255/);
    const open = agentCommand(["open", join(folder, "all.tar.gz"), "--json"]);
    const opened = JSON.parse((await runProgram(open.command, open.args)).stdout) as {
      ok: boolean;
      report: { nodes: { id: string; failure?: string; collectors: { id: string }[] }[] };
      entries: { path: string }[];
    };
    strictEqual(opened.ok, true);
    const [good, closed] = opened.report.nodes;
    ok(good!.collectors.some(({ id }) => id === "system/identity"));
    match(closed!.failure!, /refused/);
    ok(opened.entries.some(({ path }) => path.includes(`/nodes/${good!.id}/system/os-release`)));
  },
});

Deno.test("gatherNodes() brings dumps from status servers, and says what a server would not do", async () => {
  using scene = new Scene();
  const bundle = buildTarGz(buildBundle("b", evidence));
  const asked: string[] = [];
  let polls = 0;
  const serve = (kind: string) => async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    asked.push(`${kind} ${request.method} ${pathname} ${request.headers.get("authorization")}`);
    if (kind === "busy") return Response.json({ id: "other" }, { status: 409 });
    if (kind === "closed") return new Response("", { status: 401 });
    if (kind === "web") return new Response("<html>hello</html>");
    if (request.method === "POST") {
      strictEqual((await request.json() as { profile: string }).profile, "speed");
      return Response.json({ id: "d1" }, { status: 202 });
    }
    if (kind === "fails") return Response.json({ state: "failed", error: "no room on secret-host" });
    if (polls++ < 2) return Response.json({ state: "running", done: polls, total: 3 });
    return new Response(bundle, { headers: { "Content-Type": "application/gzip" } });
  };
  const servers = ["good", "busy", "closed", "web", "fails"].map((kind) =>
    Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, serve(kind))
  );
  try {
    const list = servers.map(({ addr }) => `http://127.0.0.1:${addr.port}`).join(",");
    const http = { pollMs: 10, headers: { Authorization: "Bearer abc" } };
    const [good, busy, closed, web, fails] = await scene.gather(list, { http });
    deepStrictEqual(await filesOf(good!), expected);
    match(busy!.failure!, /another dump/);
    match(closed!.failure!, /wants a token/);
    match(web!.failure!, /no status server/);
    match(fails!.failure!, /its dump failed, no room on host-1/);
    ok(asked.includes("good POST /api/dump Bearer abc"));
    strictEqual(asked.filter((line) => line.startsWith("good GET /api/dump/d1")).length, 3);
  } finally {
    await Promise.all(servers.map((server) => server.shutdown()));
  }
});

Deno.test("gatherNodes() takes nothing from a hostile bundle that leads out, and keeps the rest", async () => {
  using scene = new Scene();
  const bundle = buildTarGz([
    { name: "b/nodes/x/../../../../etc/passwd", content: "x" },
    { name: "b/nodes/x/link", type: "2", link: "/etc/passwd" },
    { name: "b/nodes/x/good.txt", content: "good\n" },
    { name: "b/report.json", content: JSON.stringify(sampleReport) },
  ]);
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => request.method === "POST" ? Response.json({ id: 7 }, { status: 202 }) : new Response(bundle),
  );
  const [node] = await scene.gather(`http://127.0.0.1:${server.addr.port}`);
  deepStrictEqual(await filesOf(node!), { "good.txt": "good\n" });
  match(node!.collectors.at(-1)!.reason!, /refused, its name leads out/);
});

Deno.test("parseNodes() takes names of ssh and addresses, and nothing that ssh would take for an option", () => {
  deepStrictEqual(
    parseNodes("a, root@b.lab:2222,https://c:8443/x").map((node) =>
      node.kind === "ssh" ? [node.host, node.port] : node.url.href
    ),
    [
      ["a", undefined],
      ["root@b.lab", 2222],
      "https://c:8443/x/",
    ],
  );
  for (const bad of ["-oProxyCommand=x", "a b", "root@-x", "a;b", ",", "a,a", "ftp://x"]) {
    throws(() => parseNodes(bad), /--nodes/, bad);
  }
});
