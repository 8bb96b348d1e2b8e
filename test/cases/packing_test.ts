/**
 * The packed agent: built once for this machine, started under the conditions that a self-extracting file meets. Runs
 * only the parts that every packing has where `deno compile` could make the file.
 */
import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { ownTarget } from "../../targets/mod.ts";
import { projectRoot } from "../../scripts/graph.ts";
import { type Outcome, runProgram } from "../../scripts/program.ts";
import { waitFor } from "../peers/process.ts";
import { findProgram, needs, onlyIf } from "../peers/skip.ts";

const folder = Deno.makeTempDirSync({ prefix: "agent-packing-" });
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const target = ownTarget();
const packed = `${folder}/agent`;
const buildWords = ["run", "-A", "--quiet", "scripts/build.ts", "--output", folder];
const built = target === undefined
  ? undefined
  : await runProgram(Deno.execPath(), [...buildWords, "--packing", "self-extracting"], { cwd: projectRoot });
if (built !== undefined && built.code !== 0) {
  throw new Error(`Cannot test the packing: the build failed\n${built.output}`);
}
if (built !== undefined) {
  Deno.writeFileSync(packed, underNameOfItsOwn(Deno.readFileSync(`${folder}/agent-${target!.name}`)), { mode: 0o755 });
}
const buildable = onlyIf(target !== undefined, `no target for ${Deno.build.target}`);

/**
 * The file with another name for its unpacked copy, as long as that it had: a build of the same sources may have been started
 * on this machine before, and whoever finds its copy in /var/cache unpacks nothing.
 */
function underNameOfItsOwn(bytes: Uint8Array): Uint8Array {
  const header = new TextDecoder("latin1").decode(bytes.subarray(0, 16_384));
  const [line, start] = /^(name=agent-[\d.]+-)[0-9a-f]{16}$/m.exec(header)!;
  const at = header.indexOf(line);
  bytes.set(new TextEncoder().encode(start + crypto.getRandomValues(new Uint8Array(8)).toHex()), at);
  return bytes;
}

/** A cache folder that no other test uses. */
function newCache(): string {
  return Deno.makeTempDirSync({ dir: folder, prefix: "cache-" });
}

/** Runs the packed file by `shell`, or as the kernel does; without the caller's environment. */
function agent(
  words: readonly string[],
  env: Readonly<Record<string, string>>,
  shell: readonly string[] = [],
): Promise<Outcome> {
  return runProgram("env", ["-i", ...pairs({ PATH, ...env }), ...shell, packed, ...words], { deadlineMs: 300_000 });
}

function pairs(env: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(env).map(([key, value]) => `${key}=${value}`);
}

/** Names in `path` that are not hidden, and those that are, sorted. */
function namesIn(path: string): readonly string[] {
  return [...Deno.readDirSync(path)].map((entry) => entry.name).sort();
}

const PATH = Deno.env.get("PATH") ?? "/usr/bin:/bin";
const shared = newCache();

Deno.test({
  name: "build writes a file within its budget and the sums of what it wrote",
  ...buildable,
  fn: async () => {
    match(built!.output, /self-extracting, [\d.]+MiB of 48MiB allowed, [\d.]+MiB unpacked/);
    const check = await runProgram("sha256sum", ["--check", "SHA256SUMS"], { cwd: folder });
    equal(check.output, `agent-${target!.name}: OK\nagent.cdx.json: OK\n`);
  },
});

Deno.test({
  name: "agent version --json names the packing, at the first start and at the second",
  ...buildable,
  fn: async () => {
    for (let start = 1; start <= 2; start++) {
      const { code, output } = await agent(["version", "--json"], { AGENT_CACHE: shared });
      equal(code, 0, output);
      const facts = JSON.parse(output) as Record<string, string>;
      deepEqual([facts.packing, facts.target], ["self-extracting", Deno.build.target]);
    }
    equal(namesIn(shared).length, 1);
    equal(Deno.statSync(`${shared}/${namesIn(shared)[0]}`).mode! & 0o777, 0o700);
  },
});

Deno.test({
  name: "every command that help names loads from its own chunk",
  ...buildable,
  fn: async () => {
    const help = await agent(["help"], { AGENT_CACHE: shared });
    const names = [...help.output.matchAll(/^ {2}agent (\w+) /gm)].map((found) => found[1]!);
    notEqual(names.length, 0);
    for (const name of names) {
      const { code, output } = await agent([name, "--help"], { AGENT_CACHE: shared });
      equal(code, 0, `agent ${name} --help: ${output}`);
      match(output, new RegExp(`agent ${name}`));
    }
  },
});

Deno.test({
  name: "the words reach the program unchanged, and so does its exit code",
  ...buildable,
  fn: async () => {
    const { code, output } = await agent(["no such  'command' $HOME", "*"], { AGENT_CACHE: shared });
    equal(code, 2);
    match(output, /unknown command "no such {2}'command' \$HOME"/);
  },
});

Deno.test({
  name: "agent tap passes bytes through the packed file unchanged, and ends by SIGTERM with 143",
  ...buildable,
  fn: async () => {
    const sent = new Uint8Array(randomBytes(8 * 1024 * 1024));
    const hash = createHash("sha256");
    const child = startTap();
    const writing = new Blob([sent]).stream().pipeTo(child.stdin);
    for await (const chunk of child.stdout) hash.update(chunk);
    await writing;
    equal((await child.status).code, 0);
    equal(hash.digest("hex"), createHash("sha256").update(sent).digest("hex"));

    const waiting = startTap();
    const [input, output] = [waiting.stdin.getWriter(), waiting.stdout.getReader()];
    await input.write(sent.subarray(0, 10));
    await output.read(); // it runs: the signal meets the program and not the header
    waiting.kill("SIGTERM");
    equal((await waiting.status).code, 143);
    await input.close().catch(() => {}); // its reader is gone
    await output.cancel();
  },
});

function startTap(): Deno.ChildProcess {
  const args = ["tap", "--socket", `${folder}/no.sock`];
  const env = { PATH, AGENT_CACHE: shared };
  return new Deno.Command(packed, { args, env, clearEnv: true, stdin: "piped", stdout: "piped" }).spawn();
}

for (const shell of [["busybox", "sh"], ["dash"], ["bash", "--posix"]]) {
  Deno.test({
    name: `the header unpacks and starts under ${shell.join(" ")}`,
    ...needs(shell[0]!),
    fn: async () => {
      const cache = newCache();
      const { code, output } = await agent(
        ["version"],
        { AGENT_CACHE: cache, PATH: toolsOf(shell[0]!) },
        await pathOf(shell),
      );
      equal(code, 0, output);
      match(output, /^agent \d+\.\d+\.\d+ \(/);
      Deno.removeSync(cache, { recursive: true });
    },
  });
}

/** busybox is given its own tools only: no GNU program may be needed. */
function toolsOf(shell: string): string {
  if (shell !== "busybox") return PATH;
  const tools = `${folder}/busybox-tools`;
  Deno.mkdirSync(tools, { recursive: true });
  new Deno.Command("busybox", { args: ["--install", "-s", tools] }).outputSync();
  return tools;
}

async function pathOf(words: readonly string[]): Promise<readonly string[]> {
  const { output } = await runProgram("sh", ["-c", `command -v ${words[0]}`]);
  return [output.trim(), ...words.slice(1)];
}

Deno.test({
  name: "starts at the same time unpack one copy and all run",
  ...buildable,
  fn: async () => {
    const cache = newCache();
    const starts = await Promise.all([1, 2, 3].map(() => agent(["version"], { AGENT_CACHE: cache })));
    deepEqual(starts.map(({ code }) => code), [0, 0, 0], starts.map(({ output }) => output).join());
    equal(namesIn(cache).length, 1);
    match(namesIn(cache)[0]!, /^agent-/);
    deepEqual(namesIn(`${cache}/${namesIn(cache)[0]}`).filter((name) => name.startsWith(".")), []);
    Deno.removeSync(cache, { recursive: true });
  },
});

Deno.test({
  name: "a start that was killed while unpacking leaves nothing that a later start would run, or keep",
  ...buildable,
  fn: async () => {
    const cache = await killedUnpacking();
    match(namesIn(cache).join(), /^\.unpacking-\d+$/);
    const { code, output } = await agent(["version"], { AGENT_CACHE: cache });
    equal(code, 0, output);
    match(namesIn(cache).join(), /^agent-[^,]+$/);
    Deno.removeSync(cache, { recursive: true });
  },
});

/** A cache in which a start was killed while it unpacked; tried again where we were too late for it. */
async function killedUnpacking(): Promise<string> {
  for (let attempt = 1;; attempt++) {
    const cache = newCache();
    const child = new Deno.Command(packed, {
      args: ["version"],
      env: { AGENT_CACHE: cache },
      detached: true,
      stdout: "null",
    }).spawn();
    await waitFor(() => namesIn(cache).length > 0, "the beginning of a copy");
    try {
      Deno.kill(-child.pid, "SIGKILL");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // it has ended already
    }
    await child.status;
    if (attempt === 5 || namesIn(cache).every((name) => name.startsWith("."))) return cache;
  }
}

Deno.test({
  name: "a copy that a power cut left short is replaced, and one of an older version is removed",
  ...buildable,
  fn: async () => {
    const name = namesIn(shared)[0]!;
    Deno.truncateSync(`${shared}/${name}/deno`, 1_000);
    Deno.mkdirSync(`${shared}/agent-0.0.1-0123456789abcdef`);
    const { code, output } = await agent(["version"], { AGENT_CACHE: shared });
    equal(code, 0, output);
    deepEqual(namesIn(shared), [name]);
  },
});

for (
  const [how, damage] of [
    ["one flipped bit", (bytes: Uint8Array) => (bytes[bytes.length >> 1]! ^= 1, bytes)],
    ["a missing end", (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 1_000_000)],
  ] as const
) {
  Deno.test({
    name: `a file with ${how} says that it is damaged, exits 1 and keeps nothing`,
    ...buildable,
    fn: async () => {
      const cache = newCache();
      const damaged = `${folder}/damaged`;
      Deno.writeFileSync(damaged, damage(Deno.readFileSync(packed)), { mode: 0o755 });
      const { code, output } = await runProgram("env", [
        "-i",
        `PATH=${PATH}`,
        `AGENT_CACHE=${cache}`,
        damaged,
        "version",
      ]);
      equal(code, 1);
      match(
        output,
        /^agent: Cannot start ".*damaged": the file is damaged or cut short.*\nTry: copy it to this machine again\n$/,
      );
      deepEqual(namesIn(cache), []);
      Deno.removeSync(damaged);
    },
  });
}

Deno.test({
  name: "a folder that somebody else owns, and a home that cannot be written to, are passed over for the next one",
  ...needs("root", "setpriv"),
  fn: async () => {
    const [foreign, own] = [newCache(), newCache()];
    Deno.chmodSync(folder, 0o711);
    Deno.chownSync(own, nobody, nobody);
    Deno.chownSync(foreign, nobody + 1, nobody + 1);
    Deno.chmodSync(foreign, 0o777);
    const env = { PATH, AGENT_CACHE: foreign, XDG_CACHE_HOME: "/proc/nowhere", HOME: "/proc", TMPDIR: own };
    const asNobody = [`--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"];
    const { code, output } = await runProgram("setpriv", [...asNobody, "env", "-i", ...pairs(env), packed, "version"]);
    equal(code, 0, output);
    deepEqual(namesIn(foreign), []);
    deepEqual(namesIn(own), [`agent-${nobody}`]);
  },
});

const nobody = 65_534;

Deno.test({
  name: "a machine without glibc is told that this is what it lacks",
  ...needs("root", "chroot", "busybox"),
  fn: async () => {
    const root = newCache();
    for (const name of ["bin", "dev", "tmp"]) Deno.mkdirSync(`${root}/${name}`);
    Deno.copyFileSync(findProgram("busybox")!, `${root}/bin/busybox`);
    Deno.writeTextFileSync(`${root}/dev/null`, ""); // a file will do
    Deno.copyFileSync(packed, `${root}/bin/agent`);
    await runProgram("chroot", [root, "/bin/busybox", "--install", "-s", "/bin"]);
    const { code, output } = await runProgram("chroot", [root, "/bin/sh", "/bin/agent", "version"]);
    equal(code, 1);
    ok(output.includes(`this machine has no glibc (${target!.loader})`), output);
    Deno.removeSync(root, { recursive: true });
  },
});

Deno.test({
  name: "the packed agent reads a YAML file, checks it and ships by it",
  ...buildable,
  fn: async () => {
    const work = newCache();
    Deno.writeTextFileSync(`${work}/in.log`, "first\nsecond\n");
    Deno.writeTextFileSync(
      `${work}/agent.yaml`,
      `state: ${work}/state\nsources: {in: {type: file, include: [${work}/in.log]}}\nsinks: {out: {type: stdout}}\n`,
    );
    const env = { AGENT_CACHE: shared, HOME: work }; // without it, root would leave a copy in /var/cache
    match((await agent(["check", "--config", `${work}/agent.yaml`], env)).output, /0 errors/);
    const shipped = await agent(["ship", "--config", `${work}/agent.yaml`, "--once", "--log-level", "error"], env);
    equal(shipped.output, "first\nsecond\n");
  },
});
