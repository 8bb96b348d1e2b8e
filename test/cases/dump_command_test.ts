/** `agent dump` as a program: exit codes, signals, room, names, words; one file or none, never half of one. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { agentCommand, agentScript } from "../peers/agent.ts";
import { assertAllEnd, exists, hanging, inPlace, isAlive, type Place } from "../peers/dump_place.ts";
import { OpenedDump } from "../peers/opened_dump.ts";
import { type RunningProgram, runProgram, waitFor } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

const quick = ["--only", "command/x", "--only", "system/identity"];

Deno.test({
  name: "agent dump writes one file of its own name, for its owner alone, and speaks the line protocol",
  ...needs("tar"),
  fn: () =>
    inPlace(async (place) => {
      const words = ["--command", "x=echo hello", ...quick];
      const { command, args } = agentCommand(["dump", ...words]);
      const line = ['umask 000; exec "$0" "$@"', command, ...args];
      await runProgram("sh", ["-c", ...line], { cwd: place.folder });
      const { stdout, stderr } = await place.run(words, 0);
      assert.equal(place.names().length, 2, "two runs, two names");
      for (const name of place.names()) {
        assert.match(name, /^agent-dump-\d{8}T\d{6}Z-[\w-]+-[0-9a-f]{8}\.tar\.gz$/);
        assert.equal((Deno.statSync(join(place.folder, name)).mode ?? 0) & 0o777, 0o600);
      }
      const lines = stdout.trim().split("\n");
      assert.match(lines[0]!, /^BEGIN:agent-dump-/);
      assert.match(lines.at(-1)!, /^OK:agent-dump-/);
      for (const one of lines) assert.match(one, /^(BEGIN:\S+|PROGRESS:\d+\/2:.*|OK:\S+)$/);
      assert.match(stderr, /COMPLETE: 2 collectors, .*peak memory/);
      assert.match(stderr, /NOT ENCRYPTED/);
      using dump = await OpenedDump.open(join(place.folder, lines.at(-1)!.slice(3)));
      dump.judge();
      assert.equal(dump.text("commands/x.txt"), "hello\n");
      const page = Deno.readTextFileSync(join(dump.folder, "README.html"));
      assert.match(page, /default-src 'none'/);
      assert.doesNotMatch(page, /<(script|img|link|iframe|object)|src=|url\(|@import|href="https?:/i);
    }),
});

Deno.test({
  name: "agent dump ends a hanging kubectl at its deadline, keeps what dripped, and says 3",
  ...needs("tar", "sh"),
  fn: () =>
    inPlace(async (place) => {
      const pids = join(place.folder, "pids");
      const hang = hanging(place, pids);
      const drip = place.script("drip", "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done");
      place.script("kubectl", `exec ${hang}`);
      const env = { PATH: `${hang.slice(0, -5)}:${Deno.env.get("PATH")}`, KUBECONFIG: "/etc/hostname" };
      const { stdout } = await place.run(
        [
          "--command",
          `drip=${drip}`,
          "--only",
          "command/drip",
          "--only",
          "kubernetes/cluster",
          "--timeout",
          "kubectl=4s",
          "--timeout",
          "command/drip=4s",
          "-o",
          "out.tar.gz",
        ],
        3,
        env,
      );
      assert.match(stdout, /^INCOMPLETE:out.tar.gz$/m);
      using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
      dump.judge();
      assert.equal(dump.collector("kubernetes/cluster").status, "timeout");
      assert.equal(dump.collector("command/drip").status, "timeout");
      assert.match(dump.text("commands/drip.txt"), /^line 1\nline 2\n/);
      await assertAllEnd(pids);
    }),
});

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test({
    name: `agent dump leaves nothing at ${signal}, or a true file with --keep-partial`,
    ...needs("tar", "sh"),
    fn: () =>
      inPlace(async (place) => {
        const pids = `${place.folder}.pids`;
        const words = ["--command", `x=${hanging(place, pids)}`, ...quick];
        try {
          for (const keep of [false, true]) {
            Deno.writeTextFileSync(pids, "");
            await using program = place.start(keep ? [...words, "--keep-partial"] : words);
            await waitFor(() => Deno.readTextFileSync(pids).split("\n").length > 2, "the hanging command");
            program.signal(signal);
            assert.equal((await program.waitForExit()).code, code, program.stderr);
            await assertAllEnd(pids);
            assert.equal(place.names().length, keep ? 1 : 0);
          }
        } finally {
          Deno.removeSync(pids);
        }
        using dump = await OpenedDump.open(join(place.folder, place.names()[0]!));
        dump.judge();
        assert.equal(dump.report.complete, false);
        assert.equal(dump.text("commands/x.txt"), "begun\n");
      }),
  });
}

Deno.test({
  name: "agent dump removes what a killed one left, ends its commands, and leaves those of a running one alone",
  ...needs("sh"),
  fn: () =>
    inPlace(async (place) => {
      const pids = `${place.folder}.pids`;
      const words = ["--command", `x=${hanging(place, pids)}`, "--only", "command/x"];
      try {
        await using running = await startUntilItCleans(place, words, pids);
        assert.equal(place.names().length, 1, "what the killed one left is gone");
        await place.run(["--only", "system/identity"], 0);
        assert.ok(isAlive(Deno.readTextFileSync(pids).split("\n")[0]!), "the second one's command runs on");
        assert.equal(place.names().filter((name) => name.endsWith(".partial")).length, 1);
        running.signal("SIGINT");
        await running.waitForExit();
        await assertAllEnd(pids);
      } finally {
        if (exists(pids)) Deno.removeSync(pids);
      }
    }),
});

/**
 * A dump that hangs, started after one that was killed, and that has said that it ended the other's commands. Any dump of
 * this machine ends them, and other tests make dumps meanwhile: where one of those came first, it is tried again.
 */
async function startUntilItCleans(place: Place, words: readonly string[], pids: string): Promise<RunningProgram> {
  for (let attempt = 1;; attempt++) {
    await leaveKilledDump(place, words, pids);
    const orphans = `${pids}.orphans`;
    Deno.renameSync(pids, orphans);
    const running = place.start(words);
    try {
      await waitFor(() => exists(pids) && bothIn(pids), "the second one");
      await assertAllEnd(orphans);
      await running.waitForOutput(/ended \d processes that a killed dump had left running/, 2_000);
      return running;
    } catch (error) {
      await running.kill();
      if (attempt === 5) throw error;
    } finally {
      Deno.removeSync(orphans);
    }
  }
}

/** A dump that was killed while its command hung, and the partial file that it left. */
async function leaveKilledDump(place: Place, words: readonly string[], pids: string): Promise<void> {
  if (exists(pids)) Deno.removeSync(pids);
  await using killed = place.start(words);
  await waitFor(
    () => place.names().length === 1 && exists(pids) && bothIn(pids),
    "the partial file and both processes",
  );
  await killed.kill();
  assert.match(place.names()[0]!, /\.partial$/);
}

function bothIn(pids: string): boolean {
  return Deno.readTextFileSync(pids).trim().split("\n").length === 2;
}

Deno.test({
  name: "agent dump without room says where and how much, and leaves nothing",
  ...needs("root", "mount", "umount"),
  fn: () =>
    inPlace(async (place) => {
      const small = join(place.folder, "small");
      Deno.mkdirSync(small);
      Deno.writeTextFileSync(join(place.folder, "noise"), noise(20));
      await runProgram("mount", ["-t", "tmpfs", "-o", "size=2m", "none", small]);
      try {
        const words = ["--only", "system/identity"];
        const output = await place.run([...words, "-o", join(small, "out")], 1);
        assert.match(output.stderr, /small\/out": about .*bytes\) are needed, .*bytes\) are free\nTry: --max-size/);
        const work = await place.run([...words, "-o", "out"], 1, { TMPDIR: small });
        assert.match(work.stderr, /small" \(TMPDIR\): about .* are needed/);
        assert.deepEqual([...Deno.readDirSync(small)], []);
        await runProgram("mount", ["-o", "remount,size=5m", small]);
        const include = ["--include", join(place.folder, "noise"), "--only", "files/*"];
        const written = await place.run([...include, "-o", join(small, "out")], 1);
        assert.match(written.stderr, /Cannot write ".*small\/out": .*space.*; \d+ bytes are needed, \d+ were free/is);
        const kept = await place.run([...include, "-o", "out"], 1, { TMPDIR: small });
        assert.match(kept.stderr, /Cannot keep what is gathered in folder ".*small"/);
        assert.deepEqual([...Deno.readDirSync(small)], []);
      } finally {
        await runProgram("umount", [small]);
      }
      assert.deepEqual(place.names(), ["noise", "small"]);
    }),
});

Deno.test({
  name: "agent dump streams to stdout with nothing else on it",
  ...needs("tar", "gzip"),
  fn: () =>
    inPlace(async (place) => {
      const { command, args } = agentCommand(["dump", ...quick, "--command", "x=echo hi", "-o", "-"]);
      await runProgram("sh", ["-c", '"$0" "$@" > ../out.tgz && mv ../out.tgz out.tgz', command, ...args], {
        cwd: place.folder,
      });
      using dump = await OpenedDump.open(join(place.folder, "out.tgz"));
      dump.judge();
      assert.equal(dump.text("commands/x.txt"), "hi\n");
    }),
});

Deno.test({
  name: "agent dump of another root holds its size to the byte, and needs no hostname",
  ...needs("tar"),
  fn: () =>
    inPlace(async (place) => {
      const root = join(place.folder, "root");
      Deno.mkdirSync(join(root, "var/log"), { recursive: true });
      Deno.mkdirSync(join(root, "etc"));
      Deno.writeTextFileSync(join(root, "etc/hostname"), "\n");
      const lines = Array.from({ length: 40_000 }, (_, i) => `Nov 20 20:00:00 app[1]: ${i} ${Math.sin(i)}\n`).join("");
      Deno.writeTextFileSync(join(root, "var/log/app.log"), lines);
      await place.run(["--root", root, "--max-size", "100KiB", "-o", "out.tar.gz"], 0);
      assert.ok(Deno.statSync(join(place.folder, "out.tar.gz")).size <= 102_400);
      using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
      dump.judge();
      assert.equal(dump.report.nodes[0]!.id, "node");
      const log = dump.text("logs/var/log/app.log");
      assert.match(log, /^--- trimmed \d+ bytes, \d+ lines before Nov 20 20:00:00 ---\n/);
      assert.ok(log.endsWith(lines.slice(-40)), "the newest line is there");
    }),
});

Deno.test("agent dump finds mistakes in its words before it gathers", () =>
  inPlace(async (place) => {
    const touched = join(place.folder, "touched");
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [["--only", "nonsense"], /"nonsense" names no collector/],
      [["--timeout", "kubectl=soon"], /--timeout: "soon" is not a duration/],
      [["--since", "yesterday"], /--since: "yesterday" is no time/],
      [["--max-size", "1KiB"], /holds no report/],
      [["--jobs", "0"], /--jobs/],
      [["--recipient", "age1nonsense"], /recipient/],
      [["--recipient", "age1x", "--passphrase-env", "P"], /exclude each other/],
      [["--upload", "http://127.0.0.1:9/", "--yes"], /unencrypted/],
      [["--upload", "http://127.0.0.1:9/", "--no-encrypt"], /--yes/],
      [["--no-redact"], /UNREDACTED|unredacted/],
      [["--pattern", "("], /pattern/],
      [["nonsense"], /nothing that agent dump does/],
      [["upload", "no-such-file"], /where to/],
    ];
    for (const [words, message] of wrong) {
      const { stderr } = await place.run([...words, "--command", `x=touch ${touched}`], 2);
      assert.match(stderr, message);
    }
    Deno.writeTextFileSync(join(place.folder, "mine"), "mine");
    assert.match((await place.run([...quick, "--command", "x=true", "-o", "mine"], 2)).stderr, /--force/);
    assert.deepEqual(place.names(), ["mine"]);
  }));

Deno.test("agent dump --list and --dry-run tell, and run nothing", () =>
  inPlace(async (place) => {
    const touched = join(place.folder, "touched");
    const words = ["--command", `x=touch ${touched}`];
    const list = await place.run([...words, "--list"], 0);
    assert.match(list.stdout, /^\* command\/x +command of the configuration/m);
    const dry = await place.run([...words, "--dry-run"], 0);
    assert.match(dry.stdout, new RegExp(`^command/x\n  run touch ${touched}$`, "m"));
    const skipped = await place.run([...words, "--dry-run", "--skip", "command", "--skip", "logs"], 0);
    assert.doesNotMatch(skipped.stdout, /command\/x|^logs/m);
    const schema = JSON.parse((await place.run(["--schema"], 0)).stdout);
    assert.ok("formatVersion" in schema.properties && schema.required.includes("complete"));
    assert.deepEqual(place.names(), []);
  }));

Deno.test("agent dump says UNREDACTED in the name of a dump that is", () =>
  inPlace(async (place) => {
    await place.run([...quick, "--command", "x=true", "--no-redact", "--yes-i-know-it-is-unredacted"], 0);
    assert.match(place.names()[0]!, /UNREDACTED/);
  }));

Deno.test({
  name: "agent dump encrypts to a recipient; age opens it",
  ...needs("age", "age-keygen", "tar", "sh"),
  fn: () =>
    inPlace(async (place) => {
      const { stdout } = await runProgram("age-keygen", [], {});
      Deno.writeTextFileSync(join(place.folder, "key"), stdout);
      const recipient = /age1\w+/.exec(stdout)![0];
      const patient = ["--timeout", "system/identity=60s"]; // under emulation everything takes its time
      await place.run([...quick, ...patient, "--command", "x=echo hi", "--recipient", recipient, "-o", "out.age"], 0);
      const script = "age --decrypt --identity key out.age > out.tar.gz";
      await runProgram("sh", ["-c", script], { cwd: place.folder });
      using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
      dump.judge();
    }),
});

Deno.test({
  name: "agent dump reads its section of the configuration, and goes on without a usable one",
  ...needs("tar"),
  fn: () =>
    inPlace(async (place) => {
      const config = join(place.folder, "agent.yaml");
      Deno.writeTextFileSync(
        config,
        "sources: { in: { type: stdin } }\nsinks: { out: { type: stdout } }\ndump:\n" +
          `  folder: ${place.folder}\n  commands: { modem: [echo, two words] }\n  profile: speed\n`,
      );
      await place.run(["--config", config, "--only", "command", "--only", "agent"], 0);
      const name = place.names().find((one) => one.endsWith(".tar.gz"))!;
      using dump = await OpenedDump.open(join(place.folder, name));
      assert.equal(dump.text("commands/modem.txt"), "two words\n");
      assert.equal(dump.report.profile, "speed");
      Deno.writeTextFileSync(config, "dump: { profile: fast }\n");
      await place.run(["--config", config], 2);
    }),
});

/** Text that shrinks little. */
function noise(mebibytes: number): string {
  const line = (i: number): string => `${i} ${Math.sin(i)}${Math.cos(i)}${Math.sin(i * 0.7)}\n`;
  return Array.from({ length: mebibytes * 16_384 }, (_, i) => line(i)).join("");
}

Deno.test({
  name: "agent dump redact replaces more in a bundle that is there, in contents, names and report",
  ...needs("tar"),
  fn: () =>
    inPlace(async (place) => {
      const echo = place.script("falcon", "echo 'the Falcon project'");
      const words = ["--command", `falcon=${echo}`, "--only", "command/*", "--only", "system/identity"];
      await place.run([...words, "-o", "in.tar.gz"], 0);
      await place.run(["redact", "in.tar.gz", "out.tar.gz", "--word", "falcon"], 0);
      using before = await OpenedDump.open(join(place.folder, "in.tar.gz"));
      assert.match(before.text("commands/falcon.txt"), /Falcon/);
      using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
      dump.judge();
      assert.equal(dump.files().length, before.files().length);
      for (const path of dump.files()) {
        assert.doesNotMatch(path, /falcon/i);
        assert.doesNotMatch(Deno.readTextFileSync(join(dump.folder, path)), /falcon/i, path);
      }
      const state = await place.run(["inspect", "out.tar.gz"], 0);
      assert.match(state.stdout, /COMPLETE/i);
    }),
});

Deno.test({
  name: "agent dump gathers several machines over ssh: one folder each, failures with their reason",
  ...needs("tar", "sh"),
  fn: () =>
    inPlace(async (place) => {
      place.script("agent", agentScript("--only system/identity"));
      const ssh = place.script(
        "ssh",
        `for last; do :; done
case "$*" in
  *" -- refused "*) echo 'connect to host refused port 22: Connection refused' >&2; exit 255;;
  *" -- hangs "*) sleep 1000;;
  *) eval "$last";;
esac`,
      );
      const env = { PATH: `${ssh.slice(0, -4)}:${Deno.env.get("PATH")}` };
      // The one that hangs holds it up to the deadline: ten times as long as a dump of one machine takes here.
      const beganMs = performance.now();
      await place.run(["--nodes", "one", "-o", "one.tar.gz"], 0, env);
      const deadline = `${Math.max(6_000, Math.round(10 * (performance.now() - beganMs)))}ms`;
      const { stderr } = await place.run(
        ["--nodes", "one,two,refused,hangs", "--deadline", deadline, "-o", "out.tar.gz"],
        3,
        env,
      );
      assert.match(stderr, /2 of 4 machines sent nothing/);
      using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
      dump.judge();
      const { nodes } = dump.report;
      assert.equal(nodes.length, 4);
      assert.deepEqual(nodes.map(({ failure }) => failure === undefined), [true, true, false, false]);
      assert.match(nodes[2]!.failure!, /Connection refused/);
      assert.match(nodes[3]!.failure!, /deadline/);
      assert.ok(dump.files().some((path) => path === `nodes/${nodes[1]!.id}/system/uptime`));
      assert.match(Deno.readTextFileSync(join(dump.folder, "README.html")), /no dump of this machine/);
    }),
});
