/** The runner and the bundle with collectors that hang, drip, fail and lie: a true file each time. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { Artifact, Collector } from "../../src/dump/collector.ts";
import type { Redactor } from "../../src/dump/redaction.ts";
import { DumpStopped } from "../../src/dump/stopped.ts";
import { collectorOf, commandOf, dumpTo, streamOf, testMachine, textsOf, wordRedactor } from "../peers/dump_doubles.ts";
import { OpenedDump } from "../peers/opened_dump.ts";
import { waitFor } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

async function inFolder(test: (folder: string, out: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "dump-runner-" });
  try {
    await test(folder, join(folder, "out.tar.gz"));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

Deno.test({
  name: "makeDump() ends a command that hangs with a child on its pipe, and its whole group",
  ...needs("tar", "sh"),
  fn: () =>
    inFolder(async (folder, out) => {
      const pids = join(folder, "pids");
      const script = `sleep 1000 & echo $! >> ${pids}; echo $$ >> ${pids}; echo before; sleep 1000`;
      const { report } = await dumpTo(out, [
        commandOf("kube/get", { program: "sh", args: ["-c", script] }, { timeoutMs: 3_000 }),
        textsOf("system/a", { "system/a": "fine\n" }),
      ]);
      assert.equal(report.complete, false);
      using dump = await OpenedDump.open(out);
      dump.judge();
      assert.equal(dump.collector("kube/get").status, "timeout");
      assert.equal(dump.text("kube/get.txt"), "before\n", "what was printed before the deadline is kept");
      assert.equal(dump.collector("system/a").status, "ok");
      const started = Deno.readTextFileSync(pids).trim().split("\n").map(Number);
      assert.equal(started.length, 2);
      await waitFor(() => started.every((pid) => !isAlive(pid)), "the end of the command's group");
    }),
});

Deno.test({
  name: "makeDump() keeps what a command printed and says how it failed",
  ...needs("tar", "sh"),
  fn: () =>
    inFolder(async (_, out) => {
      await dumpTo(out, [
        commandOf("x/fails", { program: "sh", args: ["-c", "echo half; echo why s3cret >&2; exit 7"] }),
        commandOf("x/absent", { program: "no-such-program-here", args: [] }),
      ]);
      using dump = await OpenedDump.open(out);
      dump.judge();
      assert.equal(dump.text("x/fails.txt"), "half\n");
      assert.match(dump.text("x/fails.txt.error"), /error: it ended: error 7[^]*stderr:\nwhy \*{6}/);
      assert.equal(dump.collector("x/fails").status, "error");
      assert.match(dump.text("x/absent.txt.error"), /no "no-such-program-here" on this machine/);
    }),
});

Deno.test({
  name: "makeDump() gives commands nice 19, no stdin, and nothing of our environment",
  ...needs("tar", "sh"),
  fn: () =>
    inFolder(async (_, out) => {
      Deno.env.set("AGENT_TEST_TOKEN", "value");
      const script = "cat; env; cut -d ' ' -f 19 /proc/$$/stat";
      await dumpTo(out, [commandOf("x/env", { program: "sh", args: ["-c", `sleep 0.2; ${script}`] })]);
      using dump = await OpenedDump.open(out);
      const text = dump.text("x/env.txt");
      assert.match(text, /^LC_ALL=C$/m);
      assert.match(text, /\n19\n$/);
      assert.doesNotMatch(text, /AGENT_TEST_TOKEN/);
    }),
});

Deno.test({
  name: "makeDump() ends collectors that ignore their deadline, throw, or never end",
  ...needs("tar"),
  fn: () =>
    inFolder(async (_, out) => {
      const hang = new Promise<never>(() => {});
      async function* endless(): AsyncGenerator<Uint8Array> {
        for (;;) {
          yield new TextEncoder().encode("line\n");
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      }
      const one = (path: string, content: AsyncIterable<Uint8Array>): Artifact => ({
        path,
        kind: "log",
        origin: path,
        content,
      });
      await dumpTo(out, [
        collectorOf("x/hangs", async function* (): AsyncGenerator<Artifact> {
          yield one("x/first", streamOf("kept\n"));
          await hang;
        }, { timeoutMs: 2_000 }),
        collectorOf("x/throws", async function* (): AsyncGenerator<Artifact> {
          yield one("x/second", streamOf("kept too\n"));
          throw new Error("broke with s3cret");
        }),
        collectorOf("x/endless", async function* (): AsyncGenerator<Artifact> {
          yield one("x/third", endless());
        }, { timeoutMs: 2_000 }),
        collectorOf("x/skips", async function* (): AsyncGenerator<Artifact> {}, { skips: () => hang, timeoutMs: 100 }),
        collectorOf("x/not-here", async function* (): AsyncGenerator<Artifact> {}, {
          skips: () => Promise.resolve("no such thing here"),
        }),
      ]);
      using dump = await OpenedDump.open(out);
      dump.judge();
      assert.equal(dump.collector("x/hangs").status, "timeout");
      assert.equal(dump.text("x/first"), "kept\n");
      assert.equal(dump.collector("x/throws").status, "error");
      assert.equal(dump.collector("x/throws").reason, "broke with ******");
      assert.equal(dump.text("x/second"), "kept too\n");
      assert.equal(dump.collector("x/endless").status, "timeout");
      assert.match(dump.text("x/third"), /^(line\n)+$/);
      assert.equal(dump.collector("x/skips").status, "timeout");
      assert.deepEqual([dump.collector("x/not-here").status, dump.collector("x/not-here").missing], ["skipped", false]);
    }),
});

Deno.test({
  name: "makeDump() drops what cannot be redacted and what the self-check finds, without a byte of it",
  ...needs("tar"),
  fn: () =>
    inFolder(async (_, out) => {
      await dumpTo(out, [
        textsOf("a/broken", { "a/broken": "raw s3cret BREAK\n" }),
        textsOf("a/leaky", { "a/leaky": `the forgotten one${" and more".repeat(9_000)}\n` }),
        // deno-lint-ignore require-yield
        collectorOf("a/said", async function* ({ note }): AsyncGenerator<Artifact> {
          note({ about: "a/said", state: "error", text: "the forgotten one" });
        }),
        textsOf("a/good", { "a/s3cret.log": "a s3cret\n" }),
      ]);
      using dump = await OpenedDump.open(out);
      dump.judge();
      assert.equal(dump.collector("a/broken").status, "dropped");
      assert.equal(dump.collector("a/leaky").status, "dropped");
      assert.match(dump.collector("a/leaky").reason ?? "", /lost-word/);
      assert.equal(dump.text("a/******.log".replaceAll("*", "_")), "a ******\n");
      assert.match(dump.collector("a/said").reason ?? "", /withheld/);
      const files = dump.files();
      assert.ok(!files.some((path) => path.endsWith("a/broken") || path.endsWith("a/leaky")), files.join("\n"));
      for (const path of files) {
        const text = Deno.readTextFileSync(join(dump.folder, path));
        assert.doesNotMatch(text, /s3cret|forgotten one/, path);
      }
    }),
});

Deno.test({
  name: "makeDump() ends at its deadline with what is there; the rest is skipped",
  ...needs("tar"),
  fn: () =>
    inFolder(async (_, out) => {
      const slow = Array.from({ length: 50 }, (_, i) =>
        collectorOf(`slow/${i}`, async function* (context): AsyncGenerator<Artifact> {
          yield { path: `slow/${i}`, kind: "text", origin: "", content: streamOf("begun\n") };
          await new Promise<void>((resolve) =>
            context.signal.addEventListener("abort", () => resolve())
          );
        }));
      const { report } = await dumpTo(out, slow, { deadlineMs: 3_000, jobs: 3 });
      using dump = await OpenedDump.open(out);
      dump.judge();
      const statuses = report.nodes[0]!.collectors.map(({ status }) => status);
      assert.deepEqual(statuses.filter((one) => one === "timeout").length, 3);
      assert.deepEqual(statuses.filter((one) => one === "skipped").length, 47);
      assert.match(dump.collector("slow/49").reason ?? "", /deadline/);
      assert.equal(dump.collector("slow/49").missing, true);
    }),
});

Deno.test("makeDump() runs as many collectors at a time as it may", () =>
  inFolder(async (_, out) => {
    let now = 0;
    let most = 0;
    const counting = Array.from({ length: 9 }, (_, i) =>
      collectorOf(`c/${i}`, async function* (): AsyncGenerator<Artifact> {
        most = Math.max(most, ++now);
        await new Promise((resolve) =>
          setTimeout(resolve, 20)
        );
        now--;
        yield { path: `c/${i}`, kind: "text", origin: "", content: streamOf("") };
      }));
    await dumpTo(out, counting, { jobs: 3 });
    assert.equal(most, 3);
  }));

Deno.test({
  name: "makeDump() makes hostile names harmless and unlike",
  ...needs("tar"),
  fn: () =>
    inFolder(async (_, out) => {
      const names = [
        "../../etc/passwd",
        "/abs",
        "a\nb",
        "a\x1b[31mb",
        "é/ü",
        "x".repeat(300),
        "x".repeat(301),
        "A/b",
        "a/b",
        "..",
        "-rf",
      ];
      const collector = collectorOf("h/names", async function* (): AsyncGenerator<Artifact> {
        for (const [i, path] of names.entries()) {
          yield { path, kind: "text", origin: "", content: streamOf(`content ${i}\n`) };
        }
      });
      await dumpTo(out, [collector]);
      using dump = await OpenedDump.open(out);
      dump.judge();
      const artifacts = dump.collector("h/names").artifacts;
      assert.equal(artifacts.length, names.length);
      artifacts.forEach(({ path }, i) => assert.equal(dump.text(path), `content ${i}\n`));
    }),
});

Deno.test({
  name: "makeDump() repacks a .gz redacted, and keeps what a torn one holds",
  ...needs("tar", "gzip"),
  fn: () =>
    inFolder(async (_, out) => {
      const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i} s3cret ${Math.sin(i)}\n`).join("");
      const packed = new Uint8Array(
        await new Response(new Blob([lines]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer(),
      );
      const gz = (path: string, bytes: Uint8Array): Artifact => ({
        path,
        kind: "log",
        encoding: "gzip",
        origin: path,
        content: ReadableStream.from([bytes]),
      });
      await dumpTo(out, [collectorOf("l/gz", async function* (): AsyncGenerator<Artifact> {
        yield gz("l/whole.gz", packed);
        yield gz("l/torn.gz", packed.subarray(0, packed.length / 2));
      })]);
      using dump = await OpenedDump.open(out);
      dump.judge();
      const whole = await unpacked(join(dump.folder, "nodes/box/l/whole.gz"));
      assert.equal(whole, lines.replaceAll("s3cret", "******"));
      const torn = await unpacked(join(dump.folder, "nodes/box/l/torn.gz"));
      assert.ok(torn.length > 0 && whole.startsWith(torn));
      assert.match(dump.text("l/torn.gz.error"), /partial: cannot be unpacked/);
    }),
});

Deno.test({
  name: "makeDump() holds the file to its size: oldest lines go, newest stay, small files stay whole",
  ...needs("tar"),
  fn: () =>
    inFolder(async (folder) => {
      const log = (name: string): string =>
        Array.from(
          { length: 60_000 },
          (_, i) => `${new Date(1.7e12 + i * 1_000).toISOString()} ${name} ${Math.sin(i)}\n`,
        )
          .join("");
      const logs = { "logs/a.log": log("a"), "logs/b.log": log("b") };
      const noise = Array.from({ length: 40_000 }, (_, i) => `"${Math.cos(i)}"`).join(",");
      const collectors = [
        textsOf("l/logs", logs, "log"),
        textsOf("l/text", { "system/small": "small\n" }),
        textsOf("l/large", { "system/large.json": `[${noise}]` }, "json"),
      ];
      for (const maxBytes of [700_000, 300_000, 60_000]) {
        const out = join(folder, `${maxBytes}.tar.gz`);
        const { sizeBytes } = await dumpTo(out, collectors, { maxBytes });
        assert.equal(Deno.statSync(out).size, sizeBytes);
        assert.ok(sizeBytes <= maxBytes, `${sizeBytes} > ${maxBytes}`);
        using dump = await OpenedDump.open(out);
        dump.judge();
        assert.equal(dump.text("system/small"), "small\n");
        for (const [path, whole] of Object.entries(logs)) {
          const [marker, ...kept] = dump.text(path).trimEnd().split("\n");
          const [, bytes, lines, time] = /^--- trimmed (\d+) bytes, (\d+) lines before (\S+) ---$/.exec(marker!) ?? [];
          const all = whole.trimEnd().split("\n");
          assert.deepEqual(kept, all.slice(Number(lines)), "the marker counts the lines that are gone");
          assert.equal(whole.length - Number(bytes), kept.join("\n").length + 1);
          assert.equal(time, kept[0]!.split(" ")[0]);
          assert.equal(dump.collector("l/logs").status, "trimmed");
        }
      }
      await assert.rejects(
        dumpTo(join(folder, "tiny"), collectors, { maxBytes: 2_000 }),
        /Cannot keep the dump within/,
      );
      assert.deepEqual([...Deno.readDirSync(folder)].filter(({ name }) => /tiny|partial/.test(name)), []);
    }),
});

Deno.test("makeDump() leaves nothing when it is stopped, and a true bundle when it shall keep what is there", () =>
  inFolder(async (folder, out) => {
    const stopping = (stop: AbortController): readonly Collector[] => [
      textsOf("a/first", { "a/first": "there\n" }),
      // deno-lint-ignore require-yield
      collectorOf("a/waits", async function* (context): AsyncGenerator<Artifact> {
        setTimeout(() => stop.abort("SIGINT"), 50);
        await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve()));
      }),
    ];
    const first = new AbortController();
    await assert.rejects(dumpTo(out, stopping(first), { signal: first.signal, jobs: 1 }), DumpStopped);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
    const second = new AbortController();
    await dumpTo(out, stopping(second), { signal: second.signal, jobs: 1, keepPartial: true });
    using dump = await OpenedDump.open(out);
    dump.judge();
    assert.equal(dump.report.complete, false);
    assert.equal(dump.text("a/first"), "there\n");
  }));

Deno.test("makeDump() that is stopped while it looks for leaks ends there", () =>
  inFolder(async (folder, out) => {
    const stop = new AbortController();
    let looked = 0;
    const redactor: Redactor = {
      ...wordRedactor,
      leaks: async (content) => {
        looked++;
        for await (const _ of content) stop.abort("SIGINT");
        return [];
      },
    };
    const texts = textsOf("a/many", Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`a/${i}`, "text\n"])));
    await assert.rejects(dumpTo(out, [texts], { signal: stop.signal, redactor }), DumpStopped);
    assert.ok(looked <= 2, `${looked} contents and names were looked at`);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  }));

Deno.test("makeDump() masks what was learned late in what came before, and drops only what that leaves", () =>
  inFolder(async (_folder, out) => {
    const redactor: Redactor = {
      ...wordRedactor,
      maskKnown: (content) => ({
        content: (async function* (): AsyncGenerator<Uint8Array> {
          const text = Buffer.concat(await Array.fromAsync(content)).toString();
          if (text.includes("unmaskable")) throw new Error("forgotten message");
          yield new TextEncoder().encode(text.replaceAll("forgotten", "*********"));
        })(),
        counts: () => [{ rule: "secret", times: 1 }],
      }),
    };
    const texts = textsOf("a/texts", {
      "a/late.txt": "s3cret forgotten\n",
      "a/large.log": `forgotten ${"line\n".repeat(20_000)}`,
      "a/forgotten.txt": "clean\n",
      "a/stays.txt": "unmaskable forgotten\n",
    });
    await dumpTo(out, [texts], { redactor });
    using dump = await OpenedDump.open(out);
    dump.judge();
    assert.equal(dump.text("a/late.txt"), "****** *********\n");
    assert.ok(dump.text("a/large.log").startsWith("********* line\n"));
    assert.equal(dump.text("a/*********.txt".replaceAll("*", "_")), "clean\n");
    const { artifacts } = dump.collector("a/texts");
    assert.deepEqual(artifacts.filter(({ status }) => status === "dropped").map(({ path }) => path), ["a/stays.txt"]);
    assert.deepEqual(artifacts.find(({ path }) => path === "a/late.txt")!.redactions, [
      { rule: "word", times: 1 },
      { rule: "secret", times: 1 },
    ]);
  }));

Deno.test("openOutput() takes no other file's place unless it is told to, and keeps the file to its owner", () =>
  inFolder(async (_, out) => {
    Deno.writeTextFileSync(out, "mine");
    await assert.rejects(dumpTo(out, [textsOf("a/a", { a: "x" })]), /is there already/);
    assert.equal(Deno.readTextFileSync(out), "mine");
    const before = Deno.umask(0);
    try {
      await dumpTo(out, [textsOf("a/a", { a: "x" })], { force: true });
    } finally {
      Deno.umask(before);
    }
    assert.equal((Deno.statSync(out).mode ?? 0) & 0o777, 0o600);
    assert.notEqual(Deno.readTextFileSync(out).slice(0, 4), "mine");
  }));

Deno.test("makeDump() runs no command for another root", () =>
  inFolder(async (_, out) => {
    const machine = { ...testMachine, live: false };
    await dumpTo(out, [commandOf("x/ran", { program: "sh", args: ["-c", "echo ran"] })], { machine });
    using dump = await OpenedDump.open(out);
    assert.equal(dump.text("x/ran.txt"), "");
  }));

async function unpacked(path: string): Promise<string> {
  const stream = new Blob([Deno.readFileSync(path)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).text();
}
