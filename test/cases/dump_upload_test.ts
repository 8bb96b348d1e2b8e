/** Bundles on their way to a server that takes them, refuses them, breaks, stalls, or forgets to answer. */
import { deepStrictEqual, doesNotMatch, match, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { join } from "node:path";
import { planUpload, requireConsent, type UploadTalk } from "../../src/dump/upload/modes.ts";
import { parseUploadTarget, readHeadersFile } from "../../src/dump/upload/target.ts";
import { uploadBundle, type UploadOptions } from "../../src/dump/upload/upload.ts";
import { TryLaterError } from "../../src/pipeline/errors.ts";
import { agentCommand } from "../peers/agent.ts";
import { Pki } from "../peers/pki.ts";
import { RunningProgram, runProgram } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";
import { onTerminal } from "../peers/terminal.ts";
import { type Mischief, UploadServer, type UploadServerOptions } from "../peers/upload_server.ts";

/** A bundle in a folder of its own, and a server to send it to. */
interface Scene {
  readonly folder: string;
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly server: UploadServer;
  readonly notes: string[];
  send(word: string, options?: Partial<UploadOptions>): Promise<void>;
}

async function inScene(options: UploadServerOptions, test: (scene: Scene) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "dump-upload-" });
  await using server = await UploadServer.start(options);
  try {
    const bytes = new Uint8Array(2_000_000);
    for (let at = 0; at < bytes.length; at += 50_000) crypto.getRandomValues(bytes.subarray(at, at + 50_000));
    const path = join(folder, "agent-dump.tar.gz.age");
    Deno.writeFileSync(path, bytes);
    const notes: string[] = [];
    const send = async (word: string, more: Partial<UploadOptions> = {}): Promise<void> =>
      await uploadBundle({
        path,
        target: await parseUploadTarget(word, path),
        pauses: { firstMs: 1, maxMs: 5 },
        attempts: 3,
        note: (text) => notes.push(text),
        signal: new AbortController().signal,
        ...more,
      });
    await test({ folder, path, bytes, server, notes, send });
    sameBytes(Deno.readFileSync(path), bytes, "whatever happens, the bundle stays");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Unlike deepStrictEqual it fails at once: the difference of megabytes takes minutes to draw. */
function sameBytes(actual: Uint8Array | undefined, expected: Uint8Array, message?: string): void {
  strictEqual(actual?.length, expected.length, message);
  strictEqual(actual!.findIndex((byte, i) => byte !== expected[i]), -1, message ?? "first difference");
}

/** Only the first requests are met with mischief. */
function first(...list: readonly Mischief[]): (index: number) => Mischief | undefined {
  return (index) => list[index];
}

Deno.test("uploadBundle() puts the file under its name, with its length, and refuses to replace another", async () => {
  await inScene({}, async ({ server, bytes, send }) => {
    const seen: number[] = [];
    await send(`${server.url}/bucket/`, { onProgress: (done, total) => seen.push(done / total) });
    sameBytes(server.objects.get("/bucket/agent-dump.tar.gz.age"), bytes);
    strictEqual(server.seen[0]!.headers["content-length"], String(bytes.length));
    strictEqual(seen[0], 0);
    strictEqual(seen.at(-1), 1);
    ok(seen.length > 3, "progress is told on the way");
    await rejects(send(`${server.url}/bucket/`), /answered 412.*\nTry: the file is kept/s);
  });
});

Deno.test("uploadBundle() takes 403 as final: one try, exit code 1, no secret of the URL shown", async () => {
  await inScene(
    { mischief: () => ({ status: 403, body: "<Error><Message>Request has expired</Message></Error>" }) },
    async (
      { server, send },
    ) => {
      await rejects(send(`${server.url.replace("//", "//user:hunter2@")}/b?X-Amz-Signature=5ecre7`), (error: Error) => {
        match(
          error.message,
          /^Cannot upload ".*" to http:\/\/127\.0\.0\.1:\d+\/b: the server answered 403, Request has expired\n/,
        );
        doesNotMatch(error.message, /5ecre7|hunter2/);
        return !(error instanceof TryLaterError);
      });
      strictEqual(server.seen.length, 1);
      match(server.seen[0]!.headers.authorization!, /^Basic /);
    },
  );
});

Deno.test("uploadBundle() tries again after 500 and 503, and gives up as try again later", async () => {
  await inScene({ mischief: first({ status: 500 }, { status: 503, headers: { "Retry-After": "0" } }) }, async (
    { server, bytes, send, notes },
  ) => {
    await send(`${server.url}/o`);
    sameBytes(server.objects.get("/o"), bytes);
    strictEqual(notes.length, 2);
  });
  await inScene({ mischief: () => ({ status: 500 }) }, async ({ server, send }) => {
    await rejects(send(`${server.url}/o`), TryLaterError);
    strictEqual(server.seen.length, 3);
  });
});

Deno.test("uploadBundle() puts all of it again after a cut, and knows its own file when only the answer was lost", async () => {
  await inScene({ mischief: first({ cutAt: 0.6 }, { mute: true }) }, async ({ server, bytes, send, notes }) => {
    await send(`${server.url}/o`);
    sameBytes(server.objects.get("/o"), bytes);
    strictEqual(server.seen.length, 3);
    match(notes.at(-1)!, /has the file already/);
  });
});

Deno.test("uploadBundle() does without If-None-Match where a server does not know it, and follows 307", async () => {
  await inScene({
    mischief: (_, { path, headers }) => {
      if (path === "/old") return { status: 307, headers: { Location: "/new" } };
      return headers["if-none-match"] === undefined ? undefined : { status: 501 };
    },
  }, async ({ server, bytes, send }) => {
    await send(`${server.url}/old`);
    sameBytes(server.objects.get("/new"), bytes);
  });
});

Deno.test("uploadBundle() leaves a server that stalls, and stops when it is told to", async () => {
  await inScene({ mischief: () => ({ stall: true }) }, async ({ server, send }) => {
    await rejects(send(`${server.url}/o`, { stallMs: 200, attempts: 1 }), /nothing moved/);
    const stop = new AbortController();
    const sending = send(`${server.url}/o`, { signal: stop.signal });
    setTimeout(() => stop.abort(), 100);
    await rejects(sending, (error: Error) => /: stopped\n/.test(error.message) && !(error instanceof TryLaterError));
  });
});

Deno.test("uploadBundle() does not wait for ever for a server that has nearly all, or all, and then is still", async () => {
  for (const stallAt of [0.99, 1]) {
    for (const protocol of ["", "tus+"]) {
      // tus makes its upload with a first request of its own.
      const isBody = (method: string): boolean => method === "PUT" || method === "PATCH";
      await inScene(
        { mischief: (_, { method }) => isBody(method) ? { stallAt } : undefined },
        async ({ server, send }) => {
          const target = protocol === "" ? `${server.url}/o` : `tus+${server.url}/tus`;
          const failed = send(target, { stallMs: 300, attempts: 1 });
          await rejects(
            failed,
            (error: Error) => error instanceof TryLaterError && /nothing moved/.test(error.message),
          );
        },
      );
    }
  }
});

Deno.test("uploadBundle() by tus goes on where it was cut off, in the same run", async () => {
  await inScene({ mischief: first(...[undefined, { cutAt: 0.6 }] as Mischief[]) }, async (
    { server, path, bytes, send, notes },
  ) => {
    await send(`tus+${server.url}/tus`);
    sameBytes(server.objects.get("/tus/1"), bytes);
    deepStrictEqual(server.seen.map(({ method }) => method), ["POST", "PATCH", "HEAD", "PATCH"]);
    strictEqual(server.seen[3]!.headers["upload-offset"], "1200000");
    strictEqual(server.seen[3]!.headers["content-length"], "800000");
    ok(notes.some((note) => /going on at byte 1200000 of 2000000/.test(note)));
    strictEqual([...Deno.readDirSync(join(path, ".."))].length, 1, "nothing is left beside the bundle");
  });
});

Deno.test("uploadBundle() by tus goes on in another run, and begins anew where the server or the file is another", async () => {
  let broken = true;
  await inScene({ mischief: (_, { method }) => broken && method === "PATCH" ? { cutAt: 0.6 } : undefined }, async (
    { server, path, bytes, send },
  ) => {
    await rejects(send(`tus+${server.url}/tus`, { attempts: 1 }), TryLaterError);
    strictEqual(Deno.statSync(`${path}.upload`).mode! & 0o777, 0o600);
    broken = false;
    await send(`tus+${server.url}/tus`);
    sameBytes(server.objects.get("/tus/1"), bytes);
    strictEqual(server.seen.filter(({ method }) => method === "POST").length, 1);
    broken = true;
    await rejects(send(`tus+${server.url}/tus`, { attempts: 1 }), TryLaterError);
    broken = false;
    Deno.utimeSync(path, 1, 1);
    await send(`tus+${server.url}/tus`);
    sameBytes(server.objects.get("/tus/3"), bytes, "a changed file is another upload");
    Deno.writeTextFileSync(`${path}.upload`, "garbage");
    await send(`tus+${server.url}/tus`);
    sameBytes(server.objects.get("/tus/4"), bytes);
  });
});

Deno.test("uploadBundle() by tus sends smaller pieces when a proxy finds them too large, and says when it is no tus", async () => {
  await inScene({ maxPatchBytes: 1_500_000 }, async ({ server, bytes, send }) => {
    await send(`tus+${server.url}/tus`);
    sameBytes(server.objects.get("/tus/1"), bytes);
    await rejects(send(`tus+${server.url}/nothing`), /answered 404/);
  });
});

Deno.test({
  name: "uploadBundle() trusts the named CA alone",
  ...needs("openssl"),
  fn: async () => {
    using pki = await Pki.make();
    await inScene({ tls: pki.server }, async ({ server, bytes, send }) => {
      await send(`${server.url}/o`, { tls: { ca: pki.ca } });
      sameBytes(server.objects.get("/o"), bytes);
      await rejects(send(`${server.url}/p`, { tls: { ca: pki.strangerCa }, attempts: 1 }), TryLaterError);
      strictEqual(server.objects.has("/p"), false);
    });
  },
});

Deno.test("parseUploadTarget() and readHeadersFile() take secrets from files that others cannot read", async () => {
  await inScene({}, async ({ folder, server, bytes, send }) => {
    const [url, headers] = [join(folder, "url"), join(folder, "headers")];
    Deno.writeTextFileSync(url, `${server.url}/o?sig=1\n`, { mode: 0o600 });
    Deno.writeTextFileSync(headers, "Authorization: Bearer abc\n\n", { mode: 0o600 });
    await send(`@${url}`, { headers: readHeadersFile(headers) });
    sameBytes(server.objects.get("/o"), bytes);
    strictEqual(server.seen[0]!.headers.authorization, "Bearer abc");
    Deno.chmodSync(headers, 0o644);
    throws(() => readHeadersFile(headers), /everybody may read it/);
    await rejects(parseUploadTarget("ftp://x/", "f"), /no URL/);
  });
});

Deno.test("planUpload() asks what the script asks, and wants --yes where nobody can be asked", async () => {
  const asked: string[] = [];
  const talk = (...answers: boolean[]): UploadTalk => ({
    interactive: true,
    yes: false,
    confirm: (question, byDefault) => {
      asked.push(question);
      return Promise.resolve(answers.shift() ?? byDefault);
    },
  });
  const confirm = "gather-upload-confirm";
  deepStrictEqual(await planUpload(confirm, talk()), { upload: false, includeSecrets: true });
  deepStrictEqual(await planUpload(confirm, talk(true)), { upload: true, includeSecrets: true });
  deepStrictEqual(await planUpload(confirm, talk(true, false)), { upload: true, includeSecrets: false });
  deepStrictEqual([...new Set(asked)], ["Perform upload?", "Include encrypted metadata in upload?"]);
  const silent = { ...talk(), interactive: false };
  deepStrictEqual(await planUpload("gather", silent), { upload: false, includeSecrets: true });
  deepStrictEqual(await planUpload("gather-upload", silent), { upload: true, includeSecrets: true });
  deepStrictEqual(await planUpload("gather-upload-nometa", silent), { upload: true, includeSecrets: false });
  throws(() => requireConsent(confirm, silent), /--yes/);
  deepStrictEqual(await planUpload(confirm, { ...silent, yes: true }), { upload: true, includeSecrets: true });
});

Deno.test({
  name: "agent dump asks as k3s's script does before it uploads, and sends the bundle with its metadata",
  ...needs("script", "openssl"),
  fn: async () => {
    await inScene({}, async ({ folder, server }) => {
      await runProgram("sh", ["-c", "openssl genrsa -out pem 2048 && openssl rsa -in pem -pubout -out pub"], {
        cwd: folder,
      });
      const { command, args } = agentCommand([
        ...["dump", "--only", "system/identity", "--mode", "gather-upload-confirm", "--progress", "none"],
        ...["--upload", `${server.url}/b/`, "--output", "."],
      ]);
      const env = { PUBKEY: Deno.readTextFileSync(join(folder, "pub")), UUID: "abcd-1234", TMPDIR: folder };
      await using program = RunningProgram.start("script", ["-qec", onTerminal([command, ...args]), "/dev/null"], {
        stdin: "piped",
        cwd: folder,
        env,
      });
      const keys = program.stdin.getWriter();
      await program.waitForOutput(/Perform upload\?\S* \(y\/N\)/);
      await keys.write(new TextEncoder().encode("y"));
      await program.waitForOutput(/\(y\/N\) Y/);
      await keys.write(new TextEncoder().encode("\r"));
      await program.waitForOutput(/Include encrypted metadata in upload\?\S* \(Y\/n\)/);
      await keys.write(new TextEncoder().encode("\r"));
      ok([0, 3].includes((await program.waitForExit()).code), program.stdout);
      await keys.close();
      const [name] = [...server.objects.keys()];
      match(name!, /^\/b\/k3s-diagnostics-ABCD-1234-[A-Za-z0-9]{8}\.tar\.gz$/);
      Deno.writeFileSync(join(folder, "received.tar.gz"), server.objects.get(name!)!);
      const open = agentCommand(["open", "received.tar.gz", "--identity", "pem"]);
      match((await runProgram(open.command, open.args, { cwd: folder })).stderr, /k3s form, unchanged/);
    });
  },
});

Deno.test({
  name: "agent dump --mode upload sends the folder that DIAGDIR names, redacted, without a question",
  ...needs("openssl"),
  fn: async () => {
    await inScene({}, async ({ folder, server }) => {
      await runProgram("sh", ["-c", "openssl genrsa -out pem 2048 && openssl rsa -in pem -pubout -out pub"], {
        cwd: folder,
      });
      const gathered = join(folder, "k3s-diagnostics-OLD-12345678");
      Deno.mkdirSync(join(gathered, "system"), { recursive: true });
      Deno.writeTextFileSync(join(gathered, "system/uname-a.txt"), "Linux --password=hunter2hunter2\n");
      Deno.symlinkSync("/etc/shadow", join(gathered, "system/link"));
      const env = { PUBKEY: Deno.readTextFileSync(join(folder, "pub")), TMPDIR: folder };
      const words = [
        "dump",
        "--mode",
        "upload",
        "--upload",
        `${server.url}/b/`,
        "--output",
        folder,
        "--progress",
        "none",
      ];
      const { command, args } = agentCommand(words);
      match((await runProgram(command, args, { env, expectCode: 2 })).stderr, /DIAGDIR=FOLDER/);
      await runProgram(command, args, { env: { ...env, DIAGDIR: gathered } });
      const sent = server.objects.get("/b/k3s-diagnostics-OLD-12345678.tar.gz");
      Deno.writeFileSync(join(folder, "received.tar.gz"), sent!);
      const open = agentCommand(["open", "received.tar.gz", "--identity", "pem", "--extract", "there"]);
      await runProgram(open.command, open.args, { cwd: folder });
      const { stdout } = await runProgram("find", ["there", "-name", "uname-a.txt", "-o", "-name", "link"], {
        cwd: folder,
      });
      const [found, ...more] = stdout.trim().split("\n");
      deepStrictEqual(more, []);
      const text = Deno.readTextFileSync(join(folder, found!));
      match(text, /^Linux --password=/);
      doesNotMatch(text, /hunter2/);
    });
  },
});

Deno.test("agent dump upload goes on where a killed one was, and shows no secret of the address that refuses", async () => {
  let broken = true;
  const mischief = (_: number, { method }: { readonly method: string }): Mischief | undefined => {
    if (method === "PUT") return { status: 403 };
    return broken && method === "PATCH" ? { cutAt: 0.6 } : undefined;
  };
  await inScene({ mischief }, async ({ server, path, bytes }) => {
    const upload = (url: string): { command: string; args: string[] } =>
      agentCommand(["dump", "upload", path, "--upload", url, "--yes"]);
    const { command, args } = upload(`tus+${server.url}/tus`);
    {
      await using program = RunningProgram.start(command, args);
      await program.waitForOutput(/again in/);
      await program.kill();
    }
    broken = false;
    match((await runProgram(command, args)).stderr, /going on at byte [1-9]/);
    sameBytes(server.objects.get("/tus/1"), bytes);
    const refused = upload(`${server.url}/o?sig=5ecre7`);
    const { stdout, stderr } = await runProgram(refused.command, refused.args, { expectCode: 1 });
    match(stderr, /answered 403/);
    doesNotMatch(stdout + stderr, /5ecre7/);
  });
});

Deno.test("agent dump upload that is stopped ends with 130 and keeps the file", async () => {
  await inScene({ mischief: () => ({ stall: true }) }, async ({ server, path }) => {
    const { command, args } = agentCommand(["dump", "upload", path, "--upload", `${server.url}/o`, "--yes"]);
    await using program = RunningProgram.start(command, args);
    await program.waitUntil(() => server.seen.length > 0, "the request");
    program.signal("SIGINT");
    strictEqual((await program.waitForExit()).code, 130, program.stderr);
    match(program.stderr, /Cannot upload .*: stopped\nTry: the file is kept/);
  });
});
