/** `agent dump` from end to end: cases of dump.md that no other file has as a whole program; `dump_cases.md` lists them all. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { filesBelow } from "../../scripts/program.ts";
import { agentCommand } from "../peers/agent.ts";
import { inPlace } from "../peers/dump_place.ts";
import { makeFakeRoot, plantTraps, writeTree } from "../peers/fake_root.ts";
import { OpenedDump } from "../peers/opened_dump.ts";
import { RunningProgram, runProgram } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

Deno.test({
  name: "agent dump that is asked for a cluster where there is none says so; asked for the group it does not mind",
  ...needs("tar"),
  fn: () =>
    inPlace(async (place) => {
      const env = { HOME: place.folder, KUBECONFIG: "" };
      const words = ["--only", "system/identity", "--force", "-o", "out.tar.gz"];
      for (const more of [[], ["--kubeconfig", "/nowhere/kubeconfig"]]) {
        await place.run([...words, "--only", "kubernetes/cluster", ...more], 3, env);
        using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
        dump.judge();
        const { reason, missing } = dump.collector("kubernetes/cluster");
        assert.ok(missing && reason !== undefined);
        const error = dump.files().find((path) => /\/kube[^ ]*\.error$/.test(path))!;
        const text = Deno.readTextFileSync(join(dump.folder, error));
        assert.ok(text.includes(reason.split("\n")[0]!) && text.includes("What this means"), text);
      }
      await place.run([...words, "--only", "kubernetes"], 0, env);
    }),
});

Deno.test({
  name: "agent dump with fifty slow collectors ends at its deadline, and says what was not begun",
  ...needs("tar", "sh"),
  fn: () =>
    inPlace(async (place) => {
      const slow = place.script("slow", "echo begun; sleep 1000");
      const commands = Array.from({ length: 50 }, (_, i) => ["--command", `slow${i}=${slow}`]).flat();
      await place.run([...commands, "--only", "command/*", "--deadline", "6s", "-o", "out.tar.gz"], 3);
      using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
      dump.judge();
      const collectors = dump.report.nodes[0]!.collectors;
      assert.equal(collectors.length, 50);
      const of = (status: string): number => collectors.filter((one) => one.status === status).length;
      assert.deepEqual([of("timeout"), of("skipped")], [4, 46]);
      assert.match(collectors.at(-1)!.reason!, /the deadline of the dump came/);
      assert.equal(dump.text("commands/slow0.txt"), "begun\n");
    }),
});

Deno.test({
  name: "agent dump of a tree full of traps ends, and its tar is safe and as it says",
  ...needs("tar", "mkfifo"),
  fn: () =>
    inPlace(async (place) => {
      const root = join(place.folder, "root");
      makeFakeRoot(root);
      using _traps = plantTraps(root);
      const body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n".repeat(20);
      const key = `-----BEGIN PRIVATE ${"KEY"}-----\n${body}`; // its end was rotated away
      writeTree(root, { "var/log/long.log": `${"x".repeat(20_000_000)} password=hunter2hunter2 end\n${key}` });
      await place.run(["--root", root, "--include", "/var/log/**", "-o", "out.tar.gz"], [0, 3]);
      const { stdout } = await runProgram("tar", ["tzf", "out.tar.gz"], { cwd: place.folder });
      for (const path of stdout.trim().split("\n")) {
        assert.ok(!path.startsWith("/") && !path.split("/").includes(".."), path);
        assert.ok(path.split("/").every((part) => part.length <= 120), path);
      }
      using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
      dump.judge();
      assert.ok(dump.files().some((path) => dump.folder.length > 0 && path.endsWith("sparse.log")));
      const all = dump.files().map((path) => Deno.readTextFileSync(join(dump.folder, path))).join("\n");
      assert.match(all, /the end of a terabyte/);
      assert.doesNotMatch(all, /planted-environment-secret|root:[*!$]|hunter2hunter2|MIIEvQIBADAN/);
      assert.ok(dump.report.cost.peakMemoryBytes < 300 * 2 ** 20, `${dump.report.cost.peakMemoryBytes}`);
    }),
});

Deno.test({
  name: "agent dump takes logs packed by xz, zstd and bzip2, redacted, where their programs are there",
  ...needs("tar", "xz", "zstd", "bzip2", "sh"),
  fn: () =>
    inPlace(async (place) => {
      const text = "2026-11-20T10:00:00Z app: login with password=hunter2hunter2 failed\n".repeat(1_000);
      const logs = join(place.folder, "logs");
      writeTree(logs, { "a.log.1": text, "b.log.1": text, "c.log.1": text });
      const pack = "xz a.log.1; zstd -q --rm b.log.1; bzip2 c.log.1; printf '\\3757zXZ\\0torn' > d.log.1.xz";
      await runProgram("sh", ["-c", pack], { cwd: logs });
      await place.run(["--include", `${logs}/*`, "--only", "files/*", "-o", "out.tar.gz"], 3);
      using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
      dump.judge();
      for (const name of ["a.log.1", "b.log.1", "c.log.1"]) {
        const got = dump.text(`files${logs}/${name}`);
        assert.equal(got, text.replaceAll("hunter2hunter2", "[redacted]"), name);
      }
      assert.match(dump.text(`files${logs}/d.log.1.error`), /xz/);
    }),
});

Deno.test({
  name: "agent dump names hosts anew in each dump, alike with a key, and two at once do not meet",
  ...needs("tar"),
  fn: () =>
    inPlace(async (place) => {
      const root = join(place.folder, "root");
      writeTree(root, {
        "etc/hostname": "frankfurt7\n",
        "var/log/of-frankfurt7.log":
          "frankfurt7 talks to 10.20.30.40 and 10.20.30.41, mask 255.255.255.0, 127.0.0.1\nacme ticket-4711\n",
      });
      const keyFile = join(place.folder, "names.key");
      Deno.writeTextFileSync(keyFile, "k".repeat(40), { mode: 0o600 });
      const words = ["--root", root, "--word", "acme", "--pattern", "ticket-([0-9]+)"];
      await Promise.all([place.run(words, 0), place.run(words, 0)]);
      await place.run([...words, "--pseudonym-key", keyFile, "-o", "c.tar.gz"], 0);
      await place.run([...words, "--pseudonym-key", keyFile, "-o", "d.tar.gz"], 0);
      const names = place.names().filter((name) => name.endsWith(".tar.gz"));
      assert.equal(names.length, 4);
      const seen: string[] = [];
      for (const name of names.toSorted()) {
        using dump = await OpenedDump.open(join(place.folder, name));
        dump.judge();
        const id = dump.report.nodes[0]!.id;
        assert.match(id, /^host-\w{10}$/);
        const log = dump.text(`logs/var/log/of-${id}.log`);
        const [, host, network, other] = /^(\S+) talks to (10\.\d+\.\d+)\.\d+ and (10\.\d+\.\d+)\.\d+, /.exec(log)!;
        assert.deepEqual([host, network], [id, other], "one name, one network");
        assert.match(log, /mask 255\.255\.255\.0, 127\.0\.0\.1\nword-\w{10} ticket-\[redacted\]\n$/);
        seen.push(`${id} ${network}`);
      }
      assert.equal(new Set(seen).size, 3, seen.join("\n"));
      assert.equal(seen[2], seen[3], "c and d have one key");
    }),
});

Deno.test({
  name: "agent dump of each profile: speed and size are parts of complete, size is the smallest",
  ...needs("tar"),
  fn: () =>
    inPlace(async (place) => {
      const root = join(place.folder, "root");
      makeFakeRoot(root);
      const line = (i: number): string => `2026-11-20T20:00:00Z app: ${i} ${Math.sin(i)}\n`;
      writeTree(root, { "var/log/big.log": Array.from({ length: 200_000 }, (_, i) => line(i)).join("") });
      const found: Record<string, { size: number; ids: ReadonlySet<string> }> = {};
      for (const profile of ["speed", "complete", "size"]) {
        await place.run(["--root", root, "--profile", profile, "-o", profile], [0, 3]);
        using dump = await OpenedDump.open(join(place.folder, profile));
        const ids = new Set(dump.report.nodes[0]!.collectors.map(({ id }) => id));
        found[profile] = { size: Deno.statSync(join(place.folder, profile)).size, ids };
      }
      const { speed, complete, size } = found as Record<"speed" | "complete" | "size", typeof found[string]>;
      for (const id of [...speed!.ids, ...size!.ids]) assert.ok(complete!.ids.has(id), id);
      assert.ok(size!.size < speed!.size && size!.size < complete!.size, JSON.stringify(found));
    }),
});

Deno.test({
  name: "agent dump takes no line from an agent that ships meanwhile",
  ...needs("tar"),
  fn: () =>
    inPlace(async (place) => {
      const [input, output] = [join(place.folder, "in"), join(place.folder, "shipped")];
      Deno.mkdirSync(input);
      const config = join(place.folder, "agent.yaml");
      Deno.writeTextFileSync(
        config,
        `state: ${place.folder}/state\nsources: {f: {type: file, include: ["${input}/*.log"]}}\n` +
          `sinks: {o: {type: file, dir: ${output}}}\n`,
      );
      const { command, args } = agentCommand(["ship", "--config", config]);
      await using ship = RunningProgram.start(command, args);
      const log = Deno.openSync(join(input, "a.log"), { create: true, append: true });
      let lines = 0;
      const writing = setInterval(() => {
        for (let i = 0; i < 50; i++) log.writeSync(new TextEncoder().encode(`line ${lines++}\n`));
      }, 5);
      try {
        await ship.waitUntil(() => shippedLines(output).length > 100, "the first lines");
        await place.run(["--config", config, "--profile", "speed", "-o", "out.tar.gz"], [0, 3]);
      } finally {
        clearInterval(writing);
        log.close();
      }
      await ship.waitUntil(() => shippedLines(output).length >= lines, `all ${lines} lines`);
      assert.deepEqual(shippedLines(output), Array.from({ length: lines }, (_, i) => `line ${i}`));
      using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
      dump.judge();
    }),
});

/** What the file sink has written, without what stands before the text. */
function shippedLines(folder: string): readonly string[] {
  try {
    return filesBelow(folder, () => true).flatMap((path) => Deno.readTextFileSync(path).match(/line \d+(?=\n)/g) ?? []);
  } catch {
    return []; // nothing is there yet
  }
}
