/** What `agent dump` seals, opened by those for whom it is: by age, by openssl as k3s's script does, by `agent open`. */
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { inPlace, type Place } from "../peers/dump_place.ts";
import { writeTree } from "../peers/fake_root.ts";
import { fetchDiags, makeRsaPair } from "../peers/k3s_owner.ts";
import { OpenedDump } from "../peers/opened_dump.ts";
import { runProgram, waitFor } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

/** A key pair of age; the file of the identity stands in the place. */
async function ageKey(place: Place): Promise<string> {
  const { stdout } = await runProgram("age-keygen", []);
  Deno.writeTextFileSync(join(place.folder, "key"), stdout, { mode: 0o600 });
  return /age1\w+/.exec(stdout)![0];
}

/** The plain archive within `name`, opened by the tools of whoever receives it. */
async function unsealed(place: Place, name: string, form: "age" | "k3s"): Promise<OpenedDump> {
  const sh = (script: string): Promise<unknown> => runProgram("sh", ["-c", script], { cwd: place.folder });
  if (form === "age") await sh(`age --decrypt --identity key ${name} > ${name}.plain`);
  else {
    await sh(
      `rm -rf in && mkdir in && tar xzf ${name} -C in && cd in && ` +
        'openssl enc -d -aes-256-cbc -in *.logs.tar.gz.enc -K "$(cat ../k3s-key)" -iv "$(cat ../k3s-iv)" ' +
        `-out ../${name}.plain 2>/dev/null`,
    );
  }
  return await OpenedDump.open(join(place.folder, `${name}.plain`));
}

/** Words and environment that seal for age or for k3s. */
async function sealing(place: Place, form: "age" | "k3s"): Promise<{ words: string[]; env: Record<string, string> }> {
  if (form === "age") return { words: ["--recipient", await ageKey(place)], env: {} };
  const [key, iv] = ["0f".repeat(32), "a1".repeat(16)];
  Deno.writeTextFileSync(join(place.folder, "k3s-key"), key);
  Deno.writeTextFileSync(join(place.folder, "k3s-iv"), iv);
  await runProgram("sh", ["-c", "openssl genrsa 2048 2>/dev/null | openssl rsa -pubout -out pub 2>/dev/null"], {
    cwd: place.folder,
  });
  const env = { key, iv, PUBKEY: Deno.readTextFileSync(join(place.folder, "pub")), TMPDIR: place.folder };
  return { words: ["--format", "k3s"], env };
}

for (const form of ["age", "k3s"] as const) {
  Deno.test({
    name: `agent dump sealed for ${form}: what failed, what cannot be made safe, and the size to the byte`,
    ...needs("tar", "sh", "age", "age-keygen", "openssl"),
    fn: () =>
      inPlace(async (place) => {
        const { words, env } = await sealing(place, form);
        const secret = "hunter2-in-utf16";
        const utf16 = new Uint8Array(
          new Uint16Array([0xfeff, ...[...secret].map((char) => char.charCodeAt(0))]).buffer,
        );
        const root = join(place.folder, "root");
        const line = (i: number): string => `2026-11-20T20:00:${i % 60} app: ${i} ${Math.sin(i)} ${Math.cos(i)}\n`;
        const log = Array.from({ length: 60_000 }, (_, i) => line(i)).join("");
        writeTree(root, { "etc/hostname": "box\n", "var/log/app.log": log, "opt/wide.txt": utf16 });
        const fails = place.script("fails", "echo half; echo why >&2; exit 7");
        const command = ["--command", `x=${fails}`, "--only", "command/x", "-o", "failed"];
        await place.run([...command, ...words], 3, env);
        {
          using dump = await unsealed(place, "failed", form);
          dump.judge();
          assert.equal(dump.text("commands/x.txt"), "half\n");
          assert.match(dump.text("commands/x.txt.error"), /exit code 7.*stderr:\nwhy/s);
          assert.match(dump.collector("command/x").reason!, /exit code 7/);
        }
        const sized = ["--root", root, "--include", "/opt/wide.txt", "--max-size", "150KiB", "-o", "sized"];
        await place.run([...sized, ...words], 3, env);
        const { size } = Deno.statSync(join(place.folder, "sized"));
        assert.ok(size <= 150 * 1_024 && size > 100 * 1_024, `${size}`);
        using dump = await unsealed(place, "sized", form);
        dump.judge();
        const kept = dump.text("logs/var/log/app.log");
        assert.match(kept, /^--- trimmed \d+ bytes, \d+ lines before .* ---\n/);
        assert.ok(kept.endsWith(line(59_999)), "the newest line is there");
        assert.ok(!dump.files().some((path) => path.endsWith("wide.txt")), "it could not be made safe");
        assert.match(dump.text("files/opt/wide.txt.error"), /dropped: it could not be redacted: it is text in UTF-16/);
        for (const path of dump.files()) {
          const bytes = Deno.readFileSync(join(dump.folder, path));
          const text = new TextDecoder().decode(bytes.filter((byte) => byte !== 0));
          assert.ok(!text.includes(secret), path);
        }
      }),
  });
}

Deno.test({
  name: "agent dump in the form of k3s: the script's own lines open it, and part of its id finds it",
  ...needs("tar", "bash", "openssl"),
  fn: () =>
    inPlace(async (place) => {
      const { pem, passphrase, publicPem } = await makeRsaPair(place.folder);
      const given = { UUID: "6204f089-7da7-4381-b28b-d247d5122a2e", key: "37".repeat(32), iv: "78".repeat(16) };
      const env = { ...given, salt: "62e2ac13ae6bb66e", PUBKEY: publicPem, TMPDIR: place.folder };
      const words = ["--only", "system/identity", "--only", "command/x", "--command", "x=echo hello"];
      const { stderr } = await place.run([...words, "--format", "k3s"], 0, env);
      assert.doesNotMatch(stderr, new RegExp(given.key), "whoever has the private key needs nothing else");
      const name = place.names().find((one) => one.endsWith(".tar.gz"))!;
      assert.match(name, /^k3s-diagnostics-6204F089-7DA7-4381-B28B-D247D5122A2E-[A-Za-z0-9]{8}\.tar\.gz$/);
      const base = name.slice(0, -".tar.gz".length);
      Deno.mkdirSync(join(place.folder, "opened"));
      Deno.copyFileSync(join(place.folder, name), join(place.folder, "opened/log.tar.gz"));
      await runProgram("bash", ["-c", fetchDiags, "fetch-diags.sh", base], {
        cwd: join(place.folder, "opened"),
        env: { PRIVATE_PEM: pem, PRIVATE_KEY: passphrase },
      });
      const { stdout } = await runProgram("find", [base, "-name", "x.txt", "-exec", "cat", "{}", "+"], {
        cwd: join(place.folder, "opened"),
      });
      assert.equal(stdout, "hello\n");
      const identity = ["--identity", pem, "--passphrase-file", passphrase];
      for (const part of ["6204F089", "6204f089-7da7", "*D247D5122A2E*"]) {
        const found = await place.open([part, "--dir", place.folder, ...identity]);
        assert.match(found.stdout, /^COMPLETE: 2 collectors/, part);
        assert.match(found.stderr, /k3s form, unchanged/);
      }
      await place.open(["no-such-id", "--dir", place.folder, ...identity], 2);
    }),
});

Deno.test({
  name: "agent dump --mode gather-upload-nometa asks nothing and shows the secrets on the terminal alone",
  ...needs("tar", "openssl"),
  fn: () =>
    inPlace(async (place) => {
      const received = new Map<string, Uint8Array>();
      await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
        received.set(new URL(request.url).pathname, await request.bytes());
        return new Response();
      });
      const { env } = await sealing(place, "k3s");
      const upload = `http://127.0.0.1:${server.addr.port}/bucket/`;
      const words = ["--mode", "gather-upload-nometa", "--layout", "full", "--only", "system/identity"];
      const { stderr } = await place.run([...words, "--upload", upload, "--yes"], 0, env);
      const [, salt, key, iv] = /log decryption:\nsalt=(\w+)\nkey=(\w+)\niv=(\w+)\n/.exec(stderr)!;
      assert.deepEqual([key, iv], [env["key"], env["iv"]]);
      const [[path, bytes]] = [...received] as [[string, Uint8Array]];
      assert.match(path, /^\/bucket\/k3s-diagnostics-/);
      Deno.writeFileSync(join(place.folder, "received"), bytes);
      const { stdout } = await runProgram("tar", ["tzf", "received"], { cwd: place.folder });
      assert.doesNotMatch(stdout, /meta/);
      const opened = await place.open(["received"], 0, { salt: salt!, key: key!, iv: iv! });
      assert.match(opened.stdout, /COMPLETE: 1 collectors/);
    }),
});

Deno.test({
  name: "agent dump keeps nothing plain on disk, makes no file for nobody, and streams to a file elsewhere",
  ...needs("age", "age-keygen", "tar", "sh", "root"),
  fn: () =>
    inPlace(async (place) => {
      const recipient = await ageKey(place);
      const marker = "planted-marker-of-the-log";
      const log = Array.from({ length: 20_000 }, (_, i) => `${marker} ${Math.sin(i)} ${Math.cos(i)}\n`).join("");
      const root = join(place.folder, "root");
      writeTree(root, { "var/log/app.log": log });
      await place.run(["--only", "system/identity", "-R", join(place.folder, "gone"), "-o", "none"], [1, 2]);
      assert.ok(!place.names().includes("none"));
      // While a collector hangs, the log is gathered already: what is open and what is named holds nothing of it.
      const hang = place.script("hang", `cat ${root}/var/log/app.log; sleep 1000`);
      const words = ["--command", `x=${hang}`, "--only", "command/x", "--recipient", recipient];
      {
        await using program = place.start([...words, "-o", "stopped"]);
        const files = (): readonly Uint8Array[] =>
          [
            ...descriptorsOf(program.pid),
            ...place.names().filter((name) => /partial|stopped/.test(name)).map((name) => join(place.folder, name)),
          ].map(readIfThere);
        await waitFor(() => files().some(({ length }) => length > 0), "the work file");
        for (const bytes of files()) {
          assert.ok(!new TextDecoder().decode(bytes).includes(marker));
          assert.ok(!unpackedAnywhere(bytes).includes(marker));
        }
        program.signal("SIGTERM");
        assert.equal((await program.waitForExit()).code, 143);
      }
      const { command, args } = agentCommand(["dump", "--root", root, "--recipient", recipient, "-o", "-"]);
      await runProgram("sh", ["-c", 'exec "$0" "$@" > away-4711.age', command, ...args], { cwd: place.folder });
      const { stdout } = await place.open(["away-4711.age", "--identity", "key"]);
      assert.match(stdout, /^COMPLETE/);
      await place.open(["4711", "--dir", place.folder, "--identity", "key", "--extract", "there"]);
      const [base] = [...Deno.readDirSync(join(place.folder, "there"))];
      const found = join(place.folder, "there", base!.name, "nodes/node/logs/var/log/app.log");
      assert.equal(Deno.readTextFileSync(found), log);
    }),
});

/** The files without a name, or in this place, that a process has open for writing. */
function descriptorsOf(pid: number): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  return [...Deno.readDirSync(folder)].map(({ name }) => join(folder, name)).filter((path) => {
    try {
      return Deno.readLinkSync(path).includes("(deleted)") && Deno.statSync(path).isFile;
    } catch {
      return false; // closed meanwhile
    }
  });
}

/** Nothing of what is closed or renamed since it was listed. */
function readIfThere(path: string): Uint8Array {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Uint8Array();
    throw error;
  }
}

/** What any gzip member within `bytes` unpacks to. */
function unpackedAnywhere(bytes: Uint8Array): string {
  let text = "";
  for (let at = bytes.indexOf(31); at >= 0; at = bytes.indexOf(31, at + 1)) {
    if (bytes[at + 1] !== 139) continue;
    try {
      text += gunzipSync(bytes.subarray(at)).toString();
    } catch {
      // It only looked like one.
    }
  }
  return text;
}
