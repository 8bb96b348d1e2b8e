/** The packed `agent dump` where nothing is as usual: without rights, in a bare busybox root, with a clock of 1970. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { OpenedDump } from "../peers/opened_dump.ts";
import { packedAgent } from "../peers/packed_agent.ts";
import { RunningProgram, runProgram } from "../peers/process.ts";
import { findProgram, needs } from "../peers/skip.ts";

const folder = Deno.makeTempDirSync({ prefix: "dump-machines-" });
Deno.chmodSync(folder, 0o755);
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const needed = ["root", "setpriv", "tar", "chroot", "mount", "umount", "busybox"];
const packed = needs(...needed).ignore ? "" : await packedAgent(folder);

/** A folder that belongs to nobody, with the program in it. */
function placeOfNobody(): string {
  const place = join(folder, "nobody");
  Deno.mkdirSync(place);
  Deno.copyFileSync(packed, join(place, "agent"));
  Deno.chmodSync(join(place, "agent"), 0o755);
  Deno.chownSync(place, 65_534, 65_534);
  return place;
}

/** On a busy machine the 20 s of the profile are too few for it to be complete. */
const noHurry = ["--deadline", "150s", "--timeout", "120s"];

Deno.test({
  name: "agent dump without rights writes a file for its owner alone, and says what only root may read",
  ...needs(...needed),
  fn: async () => {
    const place = placeOfNobody();
    const script = 'umask 000; exec ./agent dump --profile speed -o out.tar.gz "$@"';
    const words = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "sh", "-c", script, "sh", ...noHurry];
    const env = { HOME: place, AGENT_CACHE: join(place, "cache"), TMPDIR: place };
    await using program = RunningProgram.start("setpriv", words, { cwd: place, env });
    const { code } = await program.waitForExit(60_000);
    const path = join(place, "out.tar.gz");
    const { mode, uid } = Deno.statSync(path);
    assert.deepEqual([(mode ?? 0) & 0o777, uid], [0o600, 65_534]);
    using dump = await OpenedDump.open(path);
    dump.judge();
    const { collectors } = dump.report.nodes[0]!;
    assert.equal(code, dump.report.complete ? 0 : 3, program.stderr);
    for (const { id, status, missing } of collectors) {
      assert.ok(["ok", "skipped", "denied"].includes(status), `${id}: ${status}`);
      assert.equal(missing && status !== "denied", false, id);
    }
    const notes = collectors.flatMap(({ notes }) => notes).filter(({ state }) => state === "denied");
    assert.ok(notes.length > 0, "something is for root alone");
    for (const { text } of notes) assert.match(text, /\nTry: run it as root(?:, or as the user of the agent)?$/);
    assert.ok(!dump.collector("system/kernel-settings").missing, "/proc/slabinfo is an extra");
    assert.doesNotMatch(program.stdout + program.stderr, /password for|sudo/i);
  },
});

Deno.test({
  name: "agent dump in a root with busybox and nothing else writes a complete file",
  ...needs(...needed),
  fn: async () => {
    const root = join(folder, "root");
    for (const path of ["bin", "dev", "proc", "tmp", "var/log", "etc"]) {
      Deno.mkdirSync(join(root, path), { recursive: true });
    }
    Deno.copyFileSync(Deno.realPathSync(findProgram("busybox")!), join(root, "bin/busybox"));
    Deno.chmodSync(join(root, "bin/busybox"), 0o755);
    const { stdout } = await runProgram("chroot", [root, "/bin/busybox", "--list"]);
    for (const name of stdout.trim().split("\n")) {
      if (name !== "busybox") Deno.symlinkSync("busybox", join(root, "bin", name));
    }
    Deno.copyFileSync(packed, join(root, "agent"));
    Deno.chmodSync(join(root, "agent"), 0o755);
    for (const library of await librariesOf()) {
      Deno.mkdirSync(join(root, library, ".."), { recursive: true });
      Deno.copyFileSync(library, join(root, library));
    }
    await runProgram("mknod", ["-m", "666", join(root, "dev/null"), "c", "1", "3"]);
    Deno.writeTextFileSync(join(root, "var/log/messages"), "Nov 20 20:00:00 box app: token=hunter2hunter2\n");
    await runProgram("mount", ["-t", "proc", "proc", join(root, "proc")]);
    try {
      const chroot = findProgram("chroot")!;
      const env = { PATH: "/bin", HOME: "/tmp", TMPDIR: "/tmp" };
      const words = [root, "/bin/sh", "-c", 'cd /tmp; exec /agent dump -o out.tar.gz "$@"', "sh", ...noHurry];
      await using program = RunningProgram.start(chroot, words, { env });
      const { code } = await program.waitForExit(60_000);
      assert.equal(code, 0, program.stdout + program.stderr);
      using dump = await OpenedDump.open(join(root, "tmp/out.tar.gz"));
      dump.judge();
      for (const { id, status } of dump.report.nodes[0]!.collectors) {
        assert.ok(status !== "timeout" && status !== "dropped", `${id}: ${status}`);
      }
      assert.match(dump.text("logs/var/log/messages"), /token=\[redacted\]/);
      assert.match(dump.text("system/processes.txt"), /chroot|agent|deno/);
      const asked = [...words, "--only", "kubernetes/cluster", "--force"];
      await runProgram(chroot, asked, { env, expectCode: 3 });
      using cluster = await OpenedDump.open(join(root, "tmp/out.tar.gz"));
      assert.match(cluster.collector("kubernetes/cluster").reason!, /no Kubernetes/);
    } finally {
      await runProgram("umount", [join(root, "proc")]);
    }
  },
});

Deno.test({
  name: "agent dump with a clock of 1970 writes a file whose name says so, and finds the clock",
  ...needs(...needed, "faketime"),
  fn: async () => {
    const place = join(folder, "old");
    Deno.mkdirSync(place);
    const env = { AGENT_CACHE: join(folder, "cache"), HOME: place };
    const words = ["1970-01-02 00:00:00", packed, "dump", "--profile", "speed", "--since", "2h"];
    await using program = RunningProgram.start("faketime", words, { cwd: place, env });
    const { code } = await program.waitForExit(60_000);
    assert.ok(code === 0 || code === 3, program.stdout + program.stderr);
    const [name] = [...Deno.readDirSync(place)].map(({ name }) => name);
    assert.match(name!, /^agent-dump-19700102T00\d{4}Z-/);
    using dump = await OpenedDump.open(join(place, name!));
    dump.judge();
    assert.match(dump.report.start, /^1970-01-02T/);
    assert.ok(dump.report.nodes[0]!.findings.some(({ id }) => /clock/.test(id)), "that is worth a finding");
  },
});

/** What the runtime needs of the C library: a bare root of busybox has none of its own. */
async function librariesOf(): Promise<readonly string[]> {
  const { stdout } = await runProgram("ldd", [Deno.realPathSync(Deno.execPath())]);
  return [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path]) => path!);
}
