/** `agent self-update` with the real minisign: takes what is signed, tries it, and goes back when it is no good. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { freePort } from "../peers/ports.ts";
import { runProgram } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";
import { SmallDisk } from "../peers/small_disk.ts";

/** A folder with an installed program and keys; programs are scripts that tell a version. */
class Installation implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "update" });
  readonly program = join(this.folder, "agent");
  readonly next = join(this.folder, "next");
  readonly publicKey = join(this.folder, "key.pub");

  static async make(): Promise<Installation> {
    const made = new Installation();
    Deno.writeTextFileSync(made.program, script("0.0.1"), { mode: 0o755 });
    await runProgram("minisign", ["-G", "-W", "-p", made.publicKey, "-s", join(made.folder, "key")]);
    return made;
  }

  /** Writes `next` and signs it. */
  async publish(content: string, words: readonly string[] = []): Promise<void> {
    Deno.writeTextFileSync(this.next, content);
    const args = ["-S", "-W", "-s", join(this.folder, "key"), "-t", "version for tests", "-m", this.next, ...words];
    await runProgram("minisign", args);
  }

  async update(words: readonly string[] = [], expectCode = 0): Promise<string> {
    const { command, args } = agentCommand([
      ...["self-update", "--program", this.program, "--public-key", this.publicKey, "--from", this.next, ...words],
    ]);
    return (await runProgram(command, args, { expectCode })).stderr;
  }

  /** What the installed program says of itself. */
  get version(): string {
    return /"version":"([^"]+)"/.exec(Deno.readTextFileSync(this.program))![1]!;
  }

  /** Names in the folder that an update leaves. */
  get leftovers(): readonly string[] {
    return [...Deno.readDirSync(this.folder)].map(({ name }) => name).filter((name) => name.endsWith(".new"));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** A program that tells `version`; `more` runs before that. */
function script(version: string, more = ""): string {
  return `#!/bin/sh\n${more}\necho '{"name":"agent","version":"${version}"}'\n`;
}

Deno.test({
  name: "agent self-update takes what minisign signed, in both of its forms, and keeps the one before",
  ...needs("minisign"),
  fn: async () => {
    using installed = await Installation.make();
    await installed.publish(script("7.0.0"));
    match(await installed.update(), /signed by key [0-9A-F]{16}: version for tests[\s\S]*is now version 7\.0\.0/);
    strictEqual(installed.version, "7.0.0");
    match(Deno.readTextFileSync(`${installed.program}.previous`), /0\.0\.1/);
    strictEqual(Deno.statSync(installed.program).mode! & 0o777, 0o755);
    await installed.publish(script("7.1.0"), ["-l"]); // the older form signs the file itself
    await installed.update();
    strictEqual(installed.version, "7.1.0");
    await installed.update(["--roll-back"]);
    strictEqual(installed.version, "7.0.0");
    deepStrictEqual(installed.leftovers, []);
  },
});

Deno.test({
  name: "agent self-update takes nothing that is changed, cut short, signed by another, or not signed",
  ...needs("minisign"),
  fn: async () => {
    using installed = await Installation.make();
    using stranger = await Installation.make();
    await installed.publish(script("7.0.0"));
    const signature = Deno.readTextFileSync(`${installed.next}.minisig`);
    const good = Deno.readTextFileSync(installed.next);
    const refusals: readonly (readonly [content: string, signature: string, reason: RegExp])[] = [
      [good.replace("7.0.0", "8.0.0"), signature, /the signature does not match/],
      [good.slice(0, -1), signature, /the signature does not match/],
      [good, signature.replace("version for tests", "version for fools"), /signature of the trusted comment/],
      [good, signature.split("\n").slice(0, 2).join("\n"), /not a signature of minisign/],
      [good, "", /not a signature of minisign/],
    ];
    for (const [content, text, reason] of refusals) {
      Deno.writeTextFileSync(installed.next, content);
      Deno.writeTextFileSync(`${installed.next}.minisig`, text);
      match(await installed.update([], 1), reason);
    }
    await stranger.publish(good);
    Deno.copyFileSync(`${stranger.next}.minisig`, `${installed.next}.minisig`);
    Deno.writeTextFileSync(installed.next, good);
    match(await installed.update([], 1), /and key [0-9A-F]{16} is the one that is trusted/);
    Deno.removeSync(`${installed.next}.minisig`);
    match(await installed.update([], 1), /Cannot read/);
    strictEqual(installed.version, "0.0.1");
    deepStrictEqual(installed.leftovers, []);
  },
});

Deno.test({
  name: "agent self-update goes back when the new program fails its check, or the command after it does",
  ...needs("minisign"),
  fn: async () => {
    using installed = await Installation.make();
    await installed.publish(script("7.0.0", "exit 3"));
    match(await installed.update([], 1), /ended with 3/);
    const restarts = join(installed.folder, "restarts");
    // It starts beside the old one, and no more in its place.
    await installed.publish(script("7.0.0", `case $0 in *.new) ;; *) echo broken >&2; exit 4 ;; esac`));
    match(
      await installed.update(["--exec", `echo again >> ${restarts}`], 1),
      /Cannot keep version 7\.0\.0.*broken; version .* is back/,
    );
    strictEqual(installed.version, "0.0.1");
    await installed.publish(script("7.0.0"));
    match(await installed.update(["--exec", `grep -q 0.0.1 ${installed.program}`], 1), /Cannot keep version 7\.0\.0/);
    strictEqual(installed.version, "0.0.1");
    deepStrictEqual(installed.leftovers, []);
  },
});

Deno.test({
  name: "agent self-update refuses an older version, and needs a key",
  ...needs("minisign"),
  fn: async () => {
    using installed = await Installation.make();
    await installed.publish(script("0.0.2"));
    match(await installed.update([], 1), /is older than/);
    await installed.update(["--allow-downgrade"]);
    strictEqual(installed.version, "0.0.2");
    const { command, args } = agentCommand(["self-update", "--program", installed.program, "--from", installed.next]);
    match((await runProgram(command, args, { expectCode: 2 })).stderr, /no public key is given/);
  },
});

Deno.test({
  name:
    "agent self-update leaves the old program whole when the disk is full, and takes the new one when there is room",
  ...needs("minisign", "root", "mount"),
  fn: async () => {
    using installed = await Installation.make();
    await installed.publish(script("7.0.0", `: ${"x".repeat(64 * 1024)}`));
    await using disk = await SmallDisk.mount(join(installed.folder, "small"));
    const program = join(disk.path, "agent");
    Deno.writeTextFileSync(program, script("0.0.1"), { mode: 0o755 });
    disk.fill();
    match(await installed.update(["--program", program], 1), /Cannot write ".*\.new": .*space/i);
    match((await runProgram(program, [])).stdout, /0\.0\.1/);
    deepStrictEqual([...Deno.readDirSync(disk.path)].map(({ name }) => name).sort(), ["agent", "filler"]);
    disk.free();
    await installed.update(["--program", program]);
    match((await runProgram(program, [])).stdout, /7\.0\.0/);
  },
});

Deno.test({
  name: "agent self-update installs what it has checked, whatever becomes of the file that it came from",
  ...needs("minisign"),
  fn: async () => {
    using installed = await Installation.make();
    // The trial of the checked program is the moment between check and exchange.
    const checked = script("7.0.0", `echo swapped >"${installed.next}"`);
    await installed.publish(checked);
    await installed.update();
    strictEqual(Deno.readTextFileSync(installed.program), checked);
    strictEqual(Deno.readTextFileSync(installed.next), "swapped\n");
    match(await installed.update([], 1), /the signature does not match/);
    strictEqual(Deno.readTextFileSync(installed.program), checked);
  },
});

Deno.test({
  name: "agent self-update fetches over HTTP: a server that is gone is to be tried later, one that refuses is not",
  ...needs("minisign"),
  fn: async () => {
    using installed = await Installation.make();
    await installed.publish(script("7.0.0"));
    const port = freePort();
    const from = `http://127.0.0.1:${port}/files/next?x=1`;
    const seen: string[] = [];
    const refuse = { status: 0 };
    match(await installed.update(["--from", from], 75), /Cannot fetch/);
    const server = Deno.serve({ port, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
      const { pathname, search } = new URL(request.url);
      seen.push(pathname + search);
      if (refuse.status !== 0) return new Response("no", { status: refuse.status });
      return new Response(Deno.readFileSync(join(installed.folder, pathname.replace("/files/", ""))));
    });
    try {
      refuse.status = 404;
      match(await installed.update(["--from", from], 1), /the server answers 404/);
      refuse.status = 503;
      match(await installed.update(["--from", from], 75), /the server answers 503/);
      refuse.status = 0;
      await installed.update(["--from", from]);
      strictEqual(installed.version, "7.0.0");
      deepStrictEqual(seen.slice(-2), ["/files/next.minisig?x=1", "/files/next?x=1"]);
    } finally {
      await server.shutdown();
    }
  },
});

Deno.test({
  name: "agent self-update leaves a whole program in its place wherever it is killed",
  ...needs("minisign", "strace"),
  fn: async () => {
    using installed = await Installation.make();
    await installed.publish(script("7.0.0"));
    const { command, args } = agentCommand(["self-update", "--program", installed.program]);
    const words = [...args, "--public-key", installed.publicKey, "--from", installed.next];
    const versions: string[] = [];
    for (const call of ["rename", "link", "chmod", "fsync"]) {
      for (const when of [1, 2, 3]) {
        // The process is killed as it enters the call for the n-th time: what came before is on disk, the rest is not.
        const inject = `--inject=/${call}:signal=KILL:when=${when}`;
        await new Deno.Command("strace", {
          args: ["-f", "-o", "/dev/null", `--trace=/${call}`, inject, command, ...words],
          stdin: "null",
          stdout: "null",
          stderr: "null",
        }).output();
        const told = await runProgram(installed.program, []);
        versions.push(/"version":"([^"]+)"/.exec(told.stdout)![1]!);
        Deno.writeTextFileSync(installed.program, script("0.0.1"));
      }
    }
    deepStrictEqual(versions.filter((version) => version !== "0.0.1" && version !== "7.0.0"), []);
    await installed.update();
    strictEqual(installed.version, "7.0.0");
    deepStrictEqual(installed.leftovers, [], "what killed updates left is gone");
  },
});
