/** A machine full of planted secrets, dumped by the program: nothing of them is in the bundle, in no form, nor on a terminal. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { dirname, join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { agentCommand } from "../peers/agent.ts";
import { OpenedDump } from "../peers/opened_dump.ts";
import { type Corpus, plantSecrets } from "../peers/planted_secrets.ts";
import { RunningProgram } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

/** A tree with the corpus as logs, packed and not, as other files, and in names; its identities where they are found. */
function writeRoot(root: string, { files, identities, names }: Corpus): void {
  const write = (path: string, content: string | Uint8Array): void => {
    Deno.mkdirSync(dirname(join(root, path)), { recursive: true });
    Deno.writeFileSync(join(root, path), typeof content === "string" ? new TextEncoder().encode(content) : content);
  };
  for (const { path, text } of files) {
    write(join("planted", path), text);
    write(join("var/log", `${path}.log`), text);
    write(join("var/log", `${path}.log.1.gz`), gzipSync(text));
  }
  const named = names.find((name) => /^[\w.-]+$/.test(name))!;
  write(`planted/of-${named}.txt`, "its name says it\n");
  identities.macs.forEach((mac, i) => write(`sys/class/net/eth${i}/address`, `${mac}\n`));
  write("etc/hostname", `${identities.hosts[0]}\n`);
  write("etc/hosts", [...identities.hosts, ...identities.domains].map((host) => `192.0.2.9 ${host}\n`).join(""));
  write("etc/resolv.conf", identities.domains.map((domain) => `search ${domain}\n`).join(""));
  write(
    "etc/passwd",
    identities.users.map((user, i) => `${user}:x:${1_000 + i}:100::/home/${user}:/bin/sh\n`).join(""),
  );
}

function formsOf(value: string): readonly string[] {
  const inside = Buffer.from(value).toString("base64").replace(/=+$/, "").slice(0, -1);
  return [value, inside, encodeURIComponent(value), JSON.stringify(value).slice(1, -1)];
}

Deno.test({
  name: "agent dump lets no planted secret or name out: contents, gz, names, report, terminal",
  ...needs("tar"),
  fn: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "dump-leak-" });
    try {
      const corpus = plantSecrets(7);
      assert.ok(corpus.secrets.length >= 60);
      writeRoot(join(folder, "root"), corpus);
      const words = [
        "dump",
        "--root",
        join(folder, "root"),
        "--include",
        "/planted/**",
        "--word",
        "acmecorp",
        "-o",
        join(folder, "out"),
      ];
      const { command, args } = agentCommand(words);
      await using program = RunningProgram.start(command, args, { cwd: folder });
      const { code } = await program.waitForExit(30_000);
      assert.ok(code === 0 || code === 3, program.stderr);
      using dump = await OpenedDump.open(join(folder, "out"));
      dump.judge();
      const artifacts = dump.report.nodes[0]!.collectors.flatMap(({ artifacts }) => artifacts);
      const lost = artifacts.filter(({ reason }) => reason?.includes("self-check") === true);
      assert.deepEqual(lost.map(({ path }) => path), [], "what was learned late is masked, and its file kept");
      const texts = new Map<string, string>([["terminal", program.stdout + program.stderr]]);
      for (const path of dump.files()) {
        const bytes = Deno.readFileSync(join(dump.folder, path));
        texts.set(path, `${path}\n` + new TextDecoder().decode(path.endsWith(".gz") ? gunzipSync(bytes) : bytes));
      }
      assert.ok(texts.size > 2 * corpus.files.length, "the corpus was gathered");
      const sought = [
        ...corpus.secrets.flatMap(({ kind, value }) =>
          value.split("\n").filter((line) => line.length >= 8 && !/^-+(BEGIN|END) /.test(line)).map((line) => ({
            kind,
            line,
          }))
        ),
        ...corpus.names.map((line) => ({ kind: "name", line })),
      ];
      const found = new Set<string>();
      for (const [path, text] of texts) {
        for (const { kind, line } of sought) {
          if (formsOf(line).some((form) => text.includes(form))) found.add(`${kind} ${line} in ${path}`);
        }
      }
      assert.deepEqual([...found], []);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
