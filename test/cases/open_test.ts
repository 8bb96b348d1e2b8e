/** `agent open` on bundles of ours, of k3s's script, and of somebody who wishes us ill. */
import { deepStrictEqual, doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { generateHybridIdentity, generateX25519Identity, identityToRecipient } from "age-encryption";
import { ageSeal } from "../../src/dump/age_seal.ts";
import { readK3sForm } from "../../src/dump/k3s_form.ts";
import { k3sSeal } from "../../src/dump/k3s_seal.ts";
import type { Seal } from "../../src/dump/seal.ts";
import { agentCommand } from "../peers/agent.ts";
import { RunningProgram, runProgram } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";
import { buildBundle, buildTar, buildTarGz, type TarPart } from "../peers/tar_builder.ts";

/** A folder for one test. */
class Desk implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "open-" });

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Writes a file for its owner alone, and returns its path. */
  put(name: string, content: string | Uint8Array): string {
    const path = this.path(name);
    if (typeof content === "string") Deno.writeTextFileSync(path, content, { mode: 0o600 });
    else Deno.writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  async open(
    words: readonly string[],
    expectCode = 0,
    env: Record<string, string> = {},
  ): Promise<{ stdout: string; stderr: string }> {
    const { command, args } = agentCommand(["open", ...words]);
    return await runProgram(command, args, { expectCode, env: { TMPDIR: this.folder, ...env }, cwd: this.folder });
  }

  /** Files below `name` with their contents. */
  tree(name: string): Record<string, string> {
    const found: Record<string, string> = {};
    const walk = (folder: string, below: string): void => {
      for (const entry of Deno.readDirSync(folder)) {
        const path = join(folder, entry.name);
        ok(entry.isFile || entry.isDirectory, `${path} is no file`);
        if (entry.isDirectory) walk(path, `${below}${entry.name}/`);
        else found[below + entry.name] = Deno.readTextFileSync(path);
      }
    };
    walk(this.path(name), "");
    return found;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

async function sealed(seal: Seal, plain: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(ReadableStream.from(seal.seal(ReadableStream.from([plain])))).arrayBuffer());
}

function changed(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at]! ^= 1;
  return copy;
}

const evidence = {
  "nodes/host-abc/system/uname.txt": "Linux\n",
  "nodes/host-abc/logs/messages": "line\n".repeat(50_000),
};

async function ageBundle(desk: Desk): Promise<{ bytes: Uint8Array<ArrayBuffer>; key: string }> {
  const identity = await generateX25519Identity();
  const seal = ageSeal({ recipients: [await identityToRecipient(identity)] });
  const bytes = await sealed(seal, buildTarGz(buildBundle("b", evidence)));
  return { bytes, key: desk.put("key", `# support\n${identity}\n`) };
}

Deno.test("agent open reports, lists and extracts an age bundle, and says what is missing first", async () => {
  using desk = new Desk();
  const { bytes, key } = await ageBundle(desk);
  const file = desk.put("b.tar.gz.age", bytes);
  const { stdout: report, stderr } = await desk.open([file, "--identity", key]);
  match(report, /^INCOMPLETE: 1 of 1 collectors/);
  match(report, /missing: kube\/kubectl: timeout: not done within 1 s/);
  match(report, /critical: the disk \/ is full\\x1b\[31m\n {4}\| \/dev\/vda1 100%\n.*\n {4}remove what is old/);
  // deno-lint-ignore no-control-regex
  doesNotMatch(report, /\x1b/);
  match(stderr, /4 files.*encrypted by age, unchanged; all checksums of its manifest are right/);
  match((await desk.open([file, "--identity", key, "--list"])).stdout, / {2}b\/nodes\/host-abc\/system\/uname\.txt\n/);
  await desk.open([file, "--identity", key, "--extract", desk.path("there")]);
  const tree = desk.tree("there");
  for (const [path, text] of Object.entries(evidence)) strictEqual(tree[`b/${path}`], text);
  strictEqual(Deno.statSync(desk.path("there/b/report.json")).mode! & 0o777, 0o600);
  strictEqual(Deno.statSync(desk.path("there/b")).mode! & 0o777, 0o700);
  match((await desk.open([file, "--identity", key, "--extract", desk.path("there")], 2)).stderr, /not empty/);
  const json = JSON.parse((await desk.open([file, "--identity", key, "--json"])).stdout) as Record<string, unknown>;
  deepStrictEqual([json["ok"], json["format"], json["manifest"]], [true, "age", "verified"]);
});

Deno.test("agent open tells a wrong key from damage, and keeps what came before the damage", async () => {
  using desk = new Desk();
  const { bytes, key } = await ageBundle(desk);
  const other = desk.put("other", await generateX25519Identity());
  const file = desk.put("b.age", bytes);
  match(
    (await desk.open([file], 1)).stderr,
    /no age identity is named; it is encrypted to 1 \(X25519\)\nTry: --identity/,
  );
  match((await desk.open([file, "--identity", other], 1)).stderr, /none of the identities is of a recipient/);
  Deno.chmodSync(other, 0o644);
  match((await desk.open([file, "--identity", other], 1)).stderr, /everybody may read it/);
  const at = bytes.length >> 1;
  match((await desk.open([desk.put("f", changed(bytes, at)), "--identity", key], 1)).stderr, /damaged/);
  match((await desk.open([desk.put("f", changed(bytes, 60)), "--identity", key], 1)).stderr, /damaged|none of the/);
  match((await desk.open([desk.put("f", bytes.slice(0, -1)), "--identity", key], 1)).stderr, /cut off/);
  match((await desk.open([desk.put("f", "hello"), "--identity", key], 1)).stderr, /no bundle/);
  // A large one: the first chunks are good, the third is not.
  const noise = Array.from({ length: 6_000 }, () => crypto.randomUUID()).join("\n");
  const big = gzipSync(buildTar([{ name: "b/first", content: "good\n" }, { name: "b/noise", content: noise }]));
  const identity = Deno.readTextFileSync(key).split("\n")[1]!;
  const large = await sealed(ageSeal({ recipients: [await identityToRecipient(identity)] }), new Uint8Array(big));
  ok(large.length > 100_000);
  const words = ["--identity", key, "--extract", desk.path("half")];
  match((await desk.open([desk.put("f", changed(large, large.length - 100)), ...words], 1)).stderr, /damaged/);
  strictEqual(desk.tree("half")["b/first"], "good\n");
});

Deno.test("agent open takes passphrases from a file and the environment, and post-quantum identities", async () => {
  using desk = new Desk();
  const plain = buildTarGz(buildBundle("b", evidence));
  const file = desk.put("p.age", await sealed(ageSeal({ passphrase: "four words and more" }), plain));
  const words = desk.put("words", "four words and more\n");
  await desk.open([file, "--passphrase-file", words, "--list"]);
  await desk.open([file, "--passphrase-env", "WORDS", "--list"], 0, { WORDS: "four words and more" });
  match((await desk.open([file, "--passphrase-env", "WORDS"], 1, { WORDS: "other" })).stderr, /passphrase is wrong/);
  match((await desk.open([file], 1)).stderr, /encrypted with a passphrase/);
  const hybrid = await generateHybridIdentity();
  const quantum = desk.put("q.age", await sealed(ageSeal({ recipients: [await identityToRecipient(hybrid)] }), plain));
  await desk.open([quantum, "--identity", desk.put("hybrid", hybrid + "\n"), "--list"]);
});

Deno.test({
  name: "agent open asks for the passphrase on the terminal and does not show it",
  ...needs("script", "setsid"),
  fn: async () => {
    using desk = new Desk();
    const plain = buildTarGz(buildBundle("b", evidence));
    const file = desk.put("p.age", await sealed(ageSeal({ passphrase: "four words and möre" }), plain));
    const { command, args } = agentCommand(["open", file, "--passphrase", "--list"]);
    await using program = RunningProgram.start("script", ["-qec", [command, ...args].join(" "), "/dev/null"], {
      stdin: "piped",
    });
    await program.waitForOutput(/Passphrase: /);
    const keys = program.stdin.getWriter();
    await keys.write(new TextEncoder().encode("four words and möxy\x7f\x7fre\r"));
    strictEqual((await program.waitForExit()).code, 0, program.stdout);
    await keys.close();
    match(program.stdout, /uname\.txt/);
    doesNotMatch(program.stdout, /four|words/);
    const alone = [
      "--wait",
      ...[agentCommand(["open", file, "--passphrase"])].flatMap((one) => [one.command, ...one.args]),
    ];
    match((await runProgram("setsid", alone, { expectCode: 2 })).stderr, /there is no terminal/);
  },
});

Deno.test({
  name: "agent open opens the k3s form by the private key, by the environment, and by part of its id; one bit is found",
  ...needs("openssl"),
  fn: async () => {
    using desk = new Desk();
    const words = desk.put("diags.private.key", "of the owner\n");
    const pem = desk.path("diags.private.pem");
    await runProgram("openssl", ["genrsa", "-aes256", "-passout", `file:${words}`, "-out", pem, "3072"]);
    await runProgram("openssl", ["rsa", "-in", pem, "-passin", `file:${words}`, "-pubout", "-out", desk.path("pub")]);
    Deno.chmodSync(pem, 0o600);
    const given: Record<string, string> = { PUBKEY: Deno.readTextFileSync(desk.path("pub")), TMPDIR: desk.folder };
    const form = readK3sForm((name) => given[name]);
    const plain = buildTarGz([{ name: `${form.base}/system/uname-a.txt`, content: "Linux\n" }]);
    const bytes = await sealed(k3sSeal(form, { includeSecrets: true }), plain);
    const file = desk.put(`${form.base}.tar.gz`, bytes);
    const keys = ["--identity", pem, "--passphrase-file", words];
    match((await desk.open([file, ...keys])).stderr, /k3s form, unchanged; no manifest/);
    await desk.open([form.uuid.slice(4, 18).toLowerCase(), "--list"], 0, { PRIVATE_PEM: pem, PRIVATE_KEY: words });
    await desk.open([`K3S-*${form.uuid.slice(-6)}-*`, "--dir", desk.folder, "--extract", desk.path("there"), ...keys]);
    strictEqual(desk.tree("there")[`${form.base}/system/uname-a.txt`], "Linux\n");
    match((await desk.open([file], 1)).stderr, /no private key is named/);
    match((await desk.open([file, "--identity", pem], 2)).stderr, /has a passphrase/);
    match(
      (await desk.open([file, "--identity", pem, "--passphrase-env", "W"], 1, { W: "wrong" })).stderr,
      /passphrase is wrong/,
    );
    desk.put("other.pem", (await runProgram("openssl", ["genrsa", "3072"])).stdout);
    match((await desk.open([file, "--identity", desk.path("other.pem")], 1)).stderr, /another RSA key/);
    // The outer archive is stored as it is: its middle is the encrypted archive.
    const inner = await sealed(k3sSeal(form, { includeSecrets: false }), plain);
    const { salt, key, iv } = form.secrets;
    const secrets = { salt: salt.toHex(), key: key.toHex(), iv: iv.toHex() };
    const nometa = desk.put("nometa.tar.gz", inner);
    await desk.open([nometa, "--list"], 0, secrets);
    match((await desk.open([nometa, "--list"], 1)).stderr, /did not go along\nTry: salt=/);
    match((await desk.open([nometa], 1, { ...secrets, key: "00".repeat(32) })).stderr, /changed, or salt, key and iv/);
    const outer = gunzipToTar(inner);
    outer[600]! ^= 1;
    const flip = desk.put("flip.tar.gz", new Uint8Array(gzipSync(outer)));
    match((await desk.open([flip, "--list"], 1, secrets)).stderr, /archive was changed/);
  },
});

function gunzipToTar(bytes: Uint8Array): Uint8Array {
  const output = new Deno.Command("sh", { args: ["-c", `printf %s '${bytes.toBase64()}' | base64 -d | gunzip`] })
    .outputSync();
  return output.stdout;
}

Deno.test({
  name: "agent open opens what k3s's own script makes, and says that nothing proves it unchanged",
  ...needs("openssl", "tar", "bash"),
  fn: async () => {
    using desk = new Desk();
    const script = `set -e
openssl genrsa -out pem 2048 2>/dev/null; openssl rsa -in pem -pubout -out pub 2>/dev/null; chmod 600 pem
salt=$(openssl rand -hex 8) key=$(openssl rand -hex 32) iv=$(openssl rand -hex 16)
base=k3s-diagnostics-ABCD-12345678; mkdir -p $base/system; echo Linux > $base/system/uname-a.txt; echo oops > $base/system/lsof.err.txt
tar -c -z $base | openssl enc -aes-256-cbc -S $salt -K $key -iv $iv -in /dev/stdin -out $base.logs.tar.gz.enc
printf 'salt=%s\\nkey=%s\\niv=%s\\n' $salt $key $iv > $base.meta
cat pub | openssl rsautl -encrypt -inkey /dev/stdin -pubin -in $base.meta -out $base.meta.enc
tar -c -z -f bundle.tar.gz $base.*.enc`;
    await runProgram("bash", ["-c", script], { cwd: desk.folder });
    const { stdout, stderr } = await desk.open([desk.path("bundle.tar.gz"), "--identity", desk.path("pem")]);
    match(stdout, /no report in it.*\n.*stderr:\n.*lsof\.err\.txt/);
    match(stderr, /k3s form, nothing proves/);
    await desk.open([desk.path("bundle.tar.gz"), "--identity", desk.path("pem"), "--extract", desk.path("there")]);
    strictEqual(desk.tree("there")["k3s-diagnostics-ABCD-12345678/system/uname-a.txt"], "Linux\n");
  },
});

Deno.test("agent open extracts nothing outside, through links, over files, or under a name that lies", async () => {
  using desk = new Desk();
  const parts: TarPart[] = [
    { name: "b/good", content: "good\n" },
    { name: "../escaped", content: "x" },
    { name: "b/../../escaped", content: "x" },
    { name: "/tmp/open-test-absolute", content: "x" },
    { name: "b/link", type: "2", link: "/etc" },
    { name: "b/link/passwd", content: "x" },
    { name: "b/hard", type: "1", link: "/etc/passwd" },
    { name: "b/null", type: "3" },
    { name: "b/pipe", type: "6" },
    { name: "b/good", content: "other\n" },
    { name: "b/GOOD", content: "other\n" },
    { name: "b/good/below", content: "x" },
    { name: "b/\u001b[2Jscreen\u202Etxt", content: "x" },
    { name: "pax", type: "x", content: "31 path=b/../../../escaped-pax\n" },
    { name: "b/innocent", content: "x" },
    { name: "long", type: "L", content: "b/" + "n".repeat(300) + "\0" },
    { name: "b/cut", content: "x" },
  ];
  const file = desk.put("evil.tar.gz", buildTarGz(parts));
  const { stderr } = await desk.open([file, "--extract", desk.path("in/there")], 1);
  deepStrictEqual(desk.tree("in/there"), {
    "b/good": "good\n",
    "b/link/passwd": "x",
    "b/\\x1b[2Jscreen\\u{202e}txt": "x",
  });
  deepStrictEqual([...Deno.readDirSync(desk.folder)].map(({ name }) => name).sort(), ["evil.tar.gz", "in"]);
  deepStrictEqual([...Deno.readDirSync(desk.path("in"))].length, 1);
  for (
    const why of [
      "leads out",
      "absolute",
      "symlink",
      "hardlink",
      "device",
      "of that name before",
      "in its way",
      "too long",
    ]
  ) {
    ok(stderr.includes(why), `${why}\n${stderr}`);
  }
  // deno-lint-ignore no-control-regex
  doesNotMatch(stderr, /[\x1b\u202e]/);
});

Deno.test("agent open stops at bombs, false sizes, broken headers and missing ends", async () => {
  using desk = new Desk();
  const bomb = desk.put("bomb.tar.gz", buildTarGz([{ name: "b/zeros", content: new Uint8Array(30_000_000) }]));
  ok(Deno.statSync(bomb).size < 100_000);
  match((await desk.open([bomb, "--max-size", "10MiB"], 1)).stderr, /more than 10485760 bytes\nTry: --max-size/);
  const opened = async (parts: readonly TarPart[]): Promise<string> =>
    (await desk.open([desk.put("f.tar.gz", buildTarGz(parts)), "--list"], 1)).stderr;
  match(
    await opened([{ name: "b/a", content: "x" }, { name: "b/big", sizeBytes: 8 ** 11 - 1, content: "x" }]),
    /cut off/,
  );
  match(await opened([{ name: "b/a", badChecksum: true }]), /checksum is wrong/);
  match(await opened([{ name: "x", type: "x", sizeBytes: 8 ** 10 }]), /senseless size/);
  match(await opened([{ name: "x", type: "x", content: "99 path=a\n" }]), /pax header/);
  match(await opened([{ name: "b/s", type: "S" }]), /sparse/);
  const noEnd = desk.put(
    "n.tar.gz",
    new Uint8Array(gzipSync(buildTar([{ name: "b/a", content: "x" }], new Uint8Array()))),
  );
  match((await desk.open([noEnd, "--list"], 1)).stderr, /cut off/);
  const tail = buildTar([{ name: "b/a", content: "x" }], new Uint8Array(2_048).fill(1, 1_024));
  match(
    (await desk.open([desk.put("t.tar.gz", new Uint8Array(gzipSync(tail))), "--list"], 1)).stderr,
    /follows the end/,
  );
});

Deno.test("agent open says which file is not as the manifest says, missing, or not listed", async () => {
  using desk = new Desk();
  const parts = buildBundle("b", evidence).filter(({ name }) => !name.endsWith("messages")).map((part) =>
    part.name.endsWith("uname.txt") ? { ...part, content: "Other\n" } : part
  );
  const file = desk.put("f.tar.gz", buildTarGz([...parts, { name: "b/planted", content: "x" }]));
  const { stderr, stdout } = await desk.open([file], 1);
  match(stderr, /uname\.txt: not as the manifest says/);
  match(stderr, /messages: missing, the manifest lists it/);
  match(stderr, /planted: not in the manifest/);
  match(stdout, /^DAMAGED: 3 problems/);
});

Deno.test({
  name: "agent open extracts what GNU tar packs, long names and all, as it was",
  ...needs("tar", "diff"),
  fn: async () => {
    using desk = new Desk();
    const deep = desk.path(`tree/b/${"folder-".repeat(12)}/${"sub-".repeat(20)}`);
    Deno.mkdirSync(deep, { recursive: true });
    Deno.writeTextFileSync(join(deep, "ünï " + "x".repeat(150)), "long\n");
    Deno.writeTextFileSync(desk.path("tree/b/empty"), "");
    for (const format of ["gnu", "pax", "ustar"]) {
      if (format === "ustar") Deno.removeSync(join(deep, "ünï " + "x".repeat(150)));
      await runProgram("tar", [`--format=${format}`, "-czf", desk.path("f.tar.gz"), "-C", desk.path("tree"), "b"]);
      await desk.open([desk.path("f.tar.gz"), "--extract", desk.path(`there-${format}`)]);
      await runProgram("diff", ["-r", desk.path("tree"), desk.path(`there-${format}`)]);
    }
  },
});

Deno.test("agent open finds a bundle by part of its name in a listing, over pages, and asks for more when several match", async () => {
  using desk = new Desk();
  const bundle = buildTarGz(buildBundle("b", evidence));
  const names = Array.from({ length: 7 }, (_, i) => `dump-${i}${i}${i}-A.tar.gz`);
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/web/") {
      return new Response(`<a href="../">up</a> ${names.map((name) => `<a href="${name}">${name}</a>`).join("\n")}`);
    }
    if (pathname === "/bucket/") {
      const from = names.indexOf(searchParams.get("marker") ?? "") + 1;
      const keys = names.slice(from, from + 3).map((name) => `<Contents><Key>${name}</Key></Contents>`).join("");
      const more = from + 3 < names.length;
      return new Response(`<ListBucketResult><IsTruncated>${more}</IsTruncated>${keys}</ListBucketResult>`);
    }
    return names.includes(pathname.split("/").at(-1)!) ? new Response(bundle) : new Response("", { status: 404 });
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  for (const folder of ["web", "bucket"]) await desk.open(["666", "--from", `${url}/${folder}/`, "--list"]);
  await desk.open([`${url}/web/${names[0]}`, "--list"]);
  match(
    (await desk.open(["a.tar", "--from", `${url}/bucket`], 2)).stderr,
    /7 bundles in .* match "a\.tar":\n {2}dump-000/,
  );
  match((await desk.open(["888", "--from", `${url}/web/`], 2)).stderr, /no bundle in/);
  match((await desk.open([`${url}/web/nothing.tar.gz`], 1)).stderr, /answered 404/);
  deepStrictEqual([...Deno.readDirSync(desk.folder)], [], "nothing that was fetched is left");
});
