/** What seals a bundle, opened by programs that are not ours: Debian's age, and the openssl lines of k3s's fetch-diags.sh. */
import { deepStrictEqual, doesNotMatch, match, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { join } from "node:path";
import { generateHybridIdentity, generateX25519Identity, identityToRecipient } from "age-encryption";
import { ageSeal } from "../../src/dump/age_seal.ts";
import { k3sSecretsNotice, readK3sForm } from "../../src/dump/k3s_form.ts";
import { k3sSeal } from "../../src/dump/k3s_seal.ts";
import { parseRecipients, readRecipientsFile } from "../../src/dump/recipients.ts";
import type { Seal } from "../../src/dump/seal.ts";
import { runProgram } from "../peers/process.ts";
import { fetchDiags, makeRsaPair } from "../peers/k3s_owner.ts";
import { needs } from "../peers/skip.ts";

/** A folder for one test, removed after it. */
async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "dump-seal-" });
  try {
    await test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** A tar.gz by tar, with one top folder: a text, and 300 KiB that do not shrink. */
async function makePlain(folder: string, base: string): Promise<Uint8Array<ArrayBuffer>> {
  const top = join(folder, "plain", base);
  Deno.mkdirSync(join(top, "system"), { recursive: true });
  Deno.writeTextFileSync(join(top, "system", "uname-a.txt"), "Linux rotuer\n");
  const noise = new Uint8Array(300 * 1024);
  for (let at = 0; at < noise.length; at += 65_536) crypto.getRandomValues(noise.subarray(at, at + 65_536));
  Deno.writeFileSync(join(top, "noise"), noise);
  await runProgram("tar", ["-czf", join(folder, "plain.tar.gz"), "-C", join(folder, "plain"), base]);
  return Deno.readFileSync(join(folder, "plain.tar.gz"));
}

/** Seals in pieces of odd sizes. */
async function sealed(seal: Seal, plain: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    let size = 1;
    for (let at = 0; at < plain.length; at += size) {
      size = size * 3 % 99_991;
      yield await Promise.resolve(plain.subarray(at, at + size));
    }
  }
  return new Uint8Array(await new Response(ReadableStream.from(seal.seal(pieces()))).arrayBuffer());
}

function flipped(bytes: Uint8Array, at: number): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  copy[at]! ^= 1;
  return copy as Uint8Array<ArrayBuffer>;
}

Deno.test({
  name: "ageSeal() is opened by age and tar; a flipped byte and a missing end are found by it",
  ...needs("age", "tar"),
  fn: async () => {
    await inFolder(async (folder) => {
      const identity = await generateX25519Identity();
      Deno.writeTextFileSync(join(folder, "key"), identity + "\n", { mode: 0o600 });
      const plain = await makePlain(folder, "bundle");
      const seal = ageSeal({ recipients: [await identityToRecipient(identity)] });
      const bytes = await sealed(seal, plain);
      ok(bytes.length - plain.length <= seal.overheadBytes(plain.length), "the overhead is an upper bound");
      const decrypt = async (content: Uint8Array, expectCode: number): Promise<string> => {
        Deno.writeFileSync(join(folder, "b.tar.gz.age"), content);
        const words = ["-d", "-i", join(folder, "key"), "-o", join(folder, "b.tar.gz"), join(folder, "b.tar.gz.age")];
        return (await runProgram("age", words, { expectCode })).stderr;
      };
      await decrypt(bytes, 0);
      deepStrictEqual(Deno.readFileSync(join(folder, "b.tar.gz")), plain);
      const { stdout } = await runProgram("tar", ["tzf", join(folder, "b.tar.gz")]);
      match(stdout, /^bundle\/system\/uname-a\.txt$/m);
      for (const at of [20, bytes.length >> 1, bytes.length - 1]) await decrypt(flipped(bytes, at), 1);
      for (const length of [bytes.length - 1, bytes.length - 20_000]) await decrypt(bytes.slice(0, length), 1);
    });
  },
});

Deno.test({
  name: "ageSeal() makes whole files of every length around a chunk",
  ...needs("age"),
  fn: async () => {
    await inFolder(async (folder) => {
      const identity = await generateX25519Identity();
      Deno.writeTextFileSync(join(folder, "key"), identity + "\n", { mode: 0o600 });
      const seal = ageSeal({ recipients: [await identityToRecipient(identity)] });
      for (const length of [0, 1, 65_535, 65_536, 65_537, 131_072]) {
        Deno.writeFileSync(join(folder, "f"), await sealed(seal, new Uint8Array(length).fill(7)));
        Deno.writeFileSync(join(folder, "out"), new Uint8Array()); // age writes no file where nothing is inside
        await runProgram("age", ["-d", "-i", join(folder, "key"), "-o", join(folder, "out"), join(folder, "f")]);
        deepStrictEqual(Deno.readFileSync(join(folder, "out")), new Uint8Array(length).fill(7));
      }
    });
  },
});

Deno.test({
  name: "ageSeal() with a passphrase is opened by age",
  ...needs("age", "script"),
  fn: async () => {
    await inFolder(async (folder) => {
      Deno.writeFileSync(
        join(folder, "f"),
        await sealed(ageSeal({ passphrase: "four words and more" }), new Uint8Array(9)),
      );
      // age asks on its terminal, which script(1) makes.
      const command = `age -d -o ${join(folder, "out")} ${join(folder, "f")}`;
      const shell = `(sleep 1; printf 'four words and more\\r') | script -qec '${command}' /dev/null`;
      await runProgram("sh", ["-c", shell]);
      deepStrictEqual(Deno.readFileSync(join(folder, "out")), new Uint8Array(9));
    });
  },
});

Deno.test("parseRecipients() refuses mixtures, secret keys, mistyped and foreign ones before anything is gathered", async () => {
  const [secret, hybridSecret] = [await generateX25519Identity(), await generateHybridIdentity()];
  const [plain, hybrid] = [await identityToRecipient(secret), await identityToRecipient(hybridSecret)];
  deepStrictEqual(parseRecipients([plain, ` ${plain} `]), [plain]);
  strictEqual(parseRecipients([hybrid]).length, 1);
  throws(() => parseRecipients([plain, hybrid]), /do not go together/);
  throws(() => parseRecipients([plain.slice(0, -1) + (plain.endsWith("q") ? "p" : "q")]), /mistyped/);
  throws(() => parseRecipients(["ssh-ed25519 AAAA"]), /SSH keys/);
  throws(() => ageSeal({ recipients: [] }), /no recipient/);
  throws(() => ageSeal({ passphrase: "short" }), /shorter than 12/);
  throws(() => parseRecipients([secret]), (error: Error) => {
    doesNotMatch(error.message, /AGE-SECRET-KEY-1[A-Z0-9]/);
    return /secret key/.test(error.message);
  });
  await inFolder((folder) => {
    const path = join(folder, "recipients");
    Deno.writeTextFileSync(path, `# support\n\n${plain}\n`);
    deepStrictEqual(readRecipientsFile(path), [plain]);
    Deno.writeTextFileSync(path, "# nobody\n");
    throws(() => readRecipientsFile(path), /names nobody/);
    throws(() => readRecipientsFile(join(folder, "none")), /Cannot read recipients/);
    return Promise.resolve();
  });
});

Deno.test("ageSeal() ends with the error of what it seals", async () => {
  const seal = ageSeal({ recipients: [await identityToRecipient(await generateX25519Identity())] });
  // deno-lint-ignore require-yield
  async function* failing(): AsyncGenerator<Uint8Array> {
    await Promise.resolve();
    throw new Error("the disk is gone");
  }
  await rejects(Array.fromAsync(seal.seal(failing())), /the disk is gone/);
});

Deno.test({
  name: "k3sSeal() is opened by the script's own openssl lines, with and without the secrets inside",
  ...needs("openssl", "tar", "bash"),
  fn: async () => {
    await inFolder(async (folder) => {
      const { pem, passphrase, publicPem } = await makeRsaPair(folder);
      const given: Record<string, string> = {
        UUID: "6204f089-7da7-4381-b28b-d247d5122a2e",
        salt: "62e2ac13ae6bb66e",
        key: "375dc2863c5b340252c0e5c631dda24b4fdc343139410b97fb5b7678919d8752",
        iv: "7874c21533a1b4a4129c00e95bd9d0e4",
        PUBKEY: publicPem,
        BUCKET_NAME: "own-bucket",
        TMPDIR: folder,
      };
      const form = readK3sForm((name) => given[name]);
      match(form.base, /^k3s-diagnostics-6204F089-7DA7-4381-B28B-D247D5122A2E-[A-Za-z0-9]{8}$/);
      strictEqual(form.uploadUrl, "https://storage.googleapis.com/own-bucket/");
      strictEqual(
        k3sSecretsNotice(form.secrets),
        `Save secret metadata for log decryption:\nsalt=${given["salt"]}\nkey=${given["key"]}\niv=${given["iv"]}\n`,
      );
      const plain = await makePlain(folder, form.base);
      for (const includeSecrets of [true, false]) {
        const cwd = join(folder, `opened-${includeSecrets}`);
        Deno.mkdirSync(cwd);
        const before = [...Deno.readDirSync(folder)].length;
        const seal = k3sSeal(form, { includeSecrets });
        const bytes = await sealed(seal, plain);
        ok(bytes.length - plain.length <= seal.overheadBytes(plain.length), "the overhead is an upper bound");
        strictEqual([...Deno.readDirSync(folder)].length, before, "nothing waits on disk under a name");
        Deno.writeFileSync(join(cwd, "log.tar.gz"), bytes);
        const env = includeSecrets ? {} : { salt: given["salt"]!, key: given["key"]!, iv: given["iv"]! };
        await runProgram("bash", ["-c", fetchDiags, "fetch-diags.sh", form.base], {
          cwd,
          env: { PRIVATE_PEM: pem, PRIVATE_KEY: passphrase, ...env },
        });
        deepStrictEqual([...Deno.readDirSync(cwd)].map(({ name }) => name).sort(), [form.base, "log.tar.gz"]);
        await runProgram("diff", ["-r", join(cwd, form.base), join(folder, "plain", form.base)]);
      }
    });
  },
});

Deno.test({
  name: "readK3sForm() refuses what the script would fail with later, and never shows a secret",
  ...needs("openssl"),
  fn: async () => {
    const form = (given: Record<string, string>): () => unknown => () => readK3sForm((name) => given[name]);
    throws(
      form({ key: "375dc286" }),
      (error: Error) => !/375dc286/.test(error.message) && /64 hexadecimal/.test(error.message),
    );
    throws(form({ UUID: "../x" }), /UUID/);
    throws(form({ BUCKET_NAME: "a/b?c" }), /BUCKET_NAME/);
    throws(form({ PUBKEY: "nothing" }), /PUBKEY/);
    const { stdout } = await runProgram("sh", ["-c", "openssl genrsa 1024 2>/dev/null | openssl rsa -pubout"]);
    throws(form({ PUBKEY: stdout }), /2048 bits/);
    throws(() => k3sSeal(readK3sForm(() => undefined), { includeSecrets: true }), /PUBKEY=/);
    const made = readK3sForm((name) => name === "DIAGPROG" ? "rke2" : undefined);
    match(made.base, /^rke2-diagnostics-[0-9A-F-]{36}-[A-Za-z0-9]{8}$/);
    strictEqual(made.uploadUrl, "https://storage.googleapis.com/rke2-diagnostic-logs/");
  },
});

Deno.test({
  name: "k3sSeal() on a full disk ends with an error that names the folder",
  ...needs("mount", "root"),
  fn: async () => {
    await inFolder(async (folder) => {
      await runProgram("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]);
      try {
        const form = readK3sForm((name) => name === "TMPDIR" ? folder : undefined);
        const seal = k3sSeal(form, { includeSecrets: false });
        await rejects(
          sealed(seal, new Uint8Array(300_000)),
          /Cannot write the encrypted archive in ".*[Nn]o space.*\n?/s,
        );
        deepStrictEqual([...Deno.readDirSync(folder)], []);
      } finally {
        await runProgram("umount", [folder]);
      }
    });
  },
});
