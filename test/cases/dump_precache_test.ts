/** What the agent keeps for a dump: masked, bounded, dated, and there when the live collector hangs. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Artifact, Collector } from "../../src/dump/collector.ts";
import { collectors } from "../../src/dump/collectors/mod.ts";
import { type Machine, readMachine } from "../../src/dump/machine.ts";
import { PrecacheStore, refreshPrecache } from "../../src/dump/precache.ts";
import { withPrecache } from "../../src/dump/precache_fallback.ts";
import { readRecentLines, RecentLines, recentLinesCollector } from "../../src/dump/recent_lines.ts";
import { openRedactor } from "../../src/dump/redaction/redactor.ts";
import type { Redactor } from "../../src/dump/redaction.ts";
import { collect } from "../peers/collecting.ts";
import { agentCommand } from "../peers/agent.ts";
import { OpenedDump } from "../peers/opened_dump.ts";
import { RunningProgram, runProgram, waitFor } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

const secret = "AKIAIOSFODNN7EXAMPLQ";
const masking = (): Redactor => openRedactor({ mode: "secretsOnly", literals: [secret] });

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "dump-precache-" });
  try {
    await test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** A collector under a name that is cached. */
function collectorOf(give: () => AsyncIterable<Artifact>, timeoutMs = 60_000): Collector {
  return {
    id: "system/disk",
    summary: "",
    profiles: ["speed", "complete", "size"],
    optional: false,
    timeoutMs,
    skips: () => Promise.resolve(undefined),
    plan: () => [],
    collect: give,
  };
}

async function* artifactsOf(texts: Readonly<Record<string, string>>): AsyncIterable<Artifact> {
  for (const [path, text] of Object.entries(texts)) {
    const content = (async function* (): AsyncIterable<Uint8Array> {
      yield await Promise.resolve(new TextEncoder().encode(text));
    })();
    yield await Promise.resolve<Artifact>({ path, kind: "text", origin: `file of ${path}`, content });
  }
}

async function refresh(store: PrecacheStore, collector: Collector, machine = readMachine()): Promise<string[]> {
  const problems: string[] = [];
  const options = {
    store,
    machine,
    collectors: [collector],
    openRedactor: masking,
    onProblem: (text: string) => void problems.push(text),
  };
  await refreshPrecache(options, new AbortController().signal);
  return problems;
}

/** Every byte below a folder, unpacked. */
function bytesBelow(folder: string): string {
  return [...Deno.readDirSync(folder)].map(({ name }) => {
    const bytes = Deno.readFileSync(join(folder, name));
    return bytes[0] === 31 ? gunzipSync(bytes).toString() : new TextDecoder().decode(bytes);
  }).join("\n");
}

Deno.test("refreshPrecache() keeps what is masked, for its owner alone, and passes over what went badly", () =>
  inFolder(async (folder) => {
    const store = new PrecacheStore(join(folder, "cache"));
    const before = Date.now();
    deepStrictEqual(
      await refresh(store, collectorOf(() => artifactsOf({ a: `key ${secret} of host1\n`, b: "fine\n" }))),
      [],
    );
    const kept = store.read("system/disk")!;
    deepStrictEqual(kept.artifacts.map(({ path }) => path), ["a", "b"]);
    match(kept.artifacts[0]!.text, /^key .* of host1\n$/);
    ok(kept.taken.getTime() >= before);
    ok(!bytesBelow(join(folder, "cache")).includes(secret), "a secret is on the disk");
    strictEqual(Deno.statSync(join(folder, "cache")).mode! & 0o777, 0o700);
    for (const { name } of Deno.readDirSync(join(folder, "cache"))) {
      strictEqual(Deno.statSync(join(folder, "cache", name)).mode! & 0o777, 0o600);
    }
    const problems = await refresh(
      store,
      collectorOf(() => {
        throw new Error(`broken by ${secret}`);
      }),
    );
    strictEqual(problems.length, 1);
    ok(!problems[0]!.includes(secret));
    deepStrictEqual(store.read("system/disk"), kept);
  }));

Deno.test("refreshPrecache() keeps the end of what is too large", () =>
  inFolder(async (folder) => {
    const store = new PrecacheStore(folder);
    await refresh(store, collectorOf(() => artifactsOf({ a: "early line\n".repeat(1_000_000) + "the last line\n" })));
    const { text } = store.read("system/disk")!.artifacts[0]!;
    ok(text.length <= 600_000, `${text.length}`);
    match(text, /^--- only the end is kept ---\nearly line\n/);
    match(text, /the last line\n$/);
  }));

Deno.test("PrecacheStore has nothing where the file is torn, garbage, of another collector, or leads out of the bundle", () =>
  inFolder(async (folder) => {
    const store = new PrecacheStore(folder);
    strictEqual(store.read("system/disk"), undefined);
    await refresh(store, collectorOf(() => artifactsOf({ a: "x\n" })));
    const [{ name }] = [...Deno.readDirSync(folder)] as [Deno.DirEntry];
    const path = join(folder, name);
    const whole = Deno.readFileSync(path);
    for (const bytes of [whole.subarray(0, 20), new Uint8Array(0), new TextEncoder().encode("garbage")]) {
      Deno.writeFileSync(path, bytes);
      strictEqual(store.read("system/disk"), undefined);
    }
    store.write("system/disk", [{ path: "../../etc/passwd", kind: "text", origin: "", text: "" }], Date.now());
    strictEqual(store.read("system/disk"), undefined);
  }));

Deno.test("withPrecache() shows what was kept, with its time, where the live collector hangs, fails or gives half", () =>
  inFolder(async (folder) => {
    const store = new PrecacheStore(folder);
    await refresh(store, collectorOf(() => artifactsOf({ a: "kept a\n", b: "kept b\n", c: "kept c\n" })));
    async function* half(): AsyncIterable<Artifact> {
      yield* artifactsOf({ a: "live a\n" });
      const content = (async function* (): AsyncIterable<Uint8Array> {
        yield new TextEncoder().encode("half of b\n");
        await new Promise<never>(() => {});
      })();
      yield { path: "b", kind: "text", origin: "b", content };
    }
    const [hangs] = withPrecache([collectorOf(half, 2_000)], store) as [Collector];
    const { texts, artifacts, notes, error } = await collect(readMachine(), hangs);
    strictEqual(error, undefined);
    deepStrictEqual([...texts], [["a", "live a\n"], ["b", "half of b\n"], ["cached/b", "kept b\n"], ["c", "kept c\n"]]);
    strictEqual(artifacts.get("a")!.taken, undefined);
    strictEqual(artifacts.get("c")!.taken!.getTime(), store.read("system/disk")!.taken.getTime());
    deepStrictEqual(notes.map(({ state }) => state), ["timeout", "partial"]);
    match(notes[1]!.text, /kept \d+ minutes ago/);

    const [throws] = withPrecache([collectorOf(() => {
      throw new Error("no /proc");
    })], store) as [Collector];
    deepStrictEqual([...(await collect(readMachine(), throws)).texts.keys()], ["a", "b", "c"]);

    const [well] = withPrecache([collectorOf(() => artifactsOf({ a: "live a\n" }))], store) as [Collector];
    const fine = await collect(readMachine(), well);
    deepStrictEqual([...fine.texts], [["a", "live a\n"]]);
    deepStrictEqual(fine.notes, []);
  }));

Deno.test({
  name: "withPrecache() shows the journal as it was when journalctl hangs, and ends it",
  ...needs("sh", "sleep"),
  fn: () =>
    inFolder(async (folder) => {
      const script = (body: string): void =>
        Deno.writeTextFileSync(join(folder, "journalctl"), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
      script('case "$*" in *--field*) echo app.service ;; *) echo "line of the journal" ;; esac');
      const machine: Machine = { ...readMachine("/", { searchPath: folder }), init: "systemd" };
      const journal = collectors().find(({ id }) => id === "systemd/journal")!;
      const store = new PrecacheStore(join(folder, "cache"));
      deepStrictEqual(await refresh(store, journal, machine), []);
      const pids = join(folder, "pids");
      script(`/bin/sleep 1000 & echo $! >> ${pids}; echo $$ >> ${pids}; /bin/sleep 1000`);
      const [quick] = withPrecache([{ ...journal, timeoutMs: 4_000 }], store) as [Collector];
      const { texts, notes } = await collect(machine, quick, { profile: "speed" });
      strictEqual(texts.get("systemd/app.service/log.txt"), "line of the journal\n");
      ok(notes.some(({ state }) => state === "timeout") && notes.some(({ state }) => state === "partial"));
      const started = Deno.readTextFileSync(pids).trim().split("\n").map(Number);
      await waitFor(() => started.every((pid) => !isAlive(pid)), "the end of journalctl and its child");
    }),
});

Deno.test("RecentLines keeps the newest lines, masked, within its size, also over a restart and a torn file", () =>
  inFolder(async (folder) => {
    const options = { folder: join(folder, "recent"), maxBytes: 64 * 1024, openRedactor: masking };
    let ring = new RecentLines(options);
    const remember = (text: string): void => ring.remember(new TextEncoder().encode(text));
    for (let i = 0; i < 40; i++) {
      remember(`line ${i} ${secret} ${"x".repeat(4_000)}\n`);
      await ring.flush();
    }
    ring = new RecentLines(options);
    remember("after the restart\n");
    await ring.flush();
    const text = readRecentLines(options.folder);
    ok(text.length <= 64 * 1024 + 100, `${text.length}`);
    match(text, /line 39 .*\nafter the restart\n$/s);
    ok(!/^line 1 /m.test(text));
    ok(!bytesBelow(options.folder).includes(secret), "a secret is on the disk");
    const { texts, artifacts } = await collect(readMachine(), recentLinesCollector(options.folder));
    strictEqual(texts.get("agent/recent.log"), text);
    ok(artifacts.get("agent/recent.log")!.taken !== undefined);
    Deno.truncateSync(join(options.folder, "recent.log"), 10);
    match(readRecentLines(options.folder), /^line \d+ .*\nline \d+ ?.{0,8}\n$/s);
    strictEqual(Deno.statSync(join(options.folder, "recent.log")).mode! & 0o777, 0o600);
    ring = new RecentLines(options);
    remember("x".repeat(3_000_000) + "\n");
    remember("fits\n");
    await ring.flush();
    match(readRecentLines(options.folder), /fits\n--- 3000001 bytes came too quickly to be kept ---\n$/);
  }));

Deno.test({
  name: "agent ship keeps what agent dump shows when journalctl hangs, with its time",
  ...needs("sh", "sleep", "tar"),
  fn: () =>
    inFolder(async (folder) => {
      const script = (body: string): void =>
        Deno.writeTextFileSync(join(folder, "journalctl"), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
      script('case "$*" in *--field*) echo app.service ;; *) echo "line of the journal" ;; esac');
      const config = join(folder, "agent.yaml");
      const [state, out] = [join(folder, "state"), join(folder, "dump.tar.gz")];
      Deno.writeTextFileSync(
        config,
        `state: ${state}\nsources: {k: {type: file, include: [${folder}/*.log]}}\n` +
          `sinks: {o: {type: file, dir: ${folder}/out}}\ndump: {precache: 1m}\n`,
      );
      const env = { PATH: `${folder}:${Deno.env.get("PATH")}` };
      {
        const { command, args } = agentCommand(["ship", "--config", config]);
        await using ship = RunningProgram.start(command, args, { env });
        await ship.waitUntil(
          () => new PrecacheStore(join(state, "precache")).read("systemd/journal") !== undefined,
          "the cache",
        );
      }
      script("exec /bin/sleep 1000");
      const words = [
        ...["dump", "--config", config, "--only", "systemd/journal", "--output", out],
        ...["--timeout", "systemd/journal=3s"], // the cache must have its turn within whatever time there is
      ];
      const { command, args } = agentCommand(words);
      await runProgram(command, args, { env, expectCode: 3 });
      using dump = await OpenedDump.open(out);
      dump.judge();
      const { status, artifacts } = dump.collector("systemd/journal");
      strictEqual(status, "timeout");
      const kept = artifacts.find(({ path }) => path === "systemd/app.service/log.txt")!;
      match(kept.taken!, /^20/);
      match(kept.origin, /kept by the agent/);
      strictEqual(dump.text(kept.path), "line of the journal\n");
    }),
});

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
