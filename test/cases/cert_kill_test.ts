/**
 * kill -9 before, and in the middle of, every file operation of an enrolment and of a renewal, by a list that is as long as the
 * operations are. Whatever is left: programs that read the pair find a whole one if there was one, and the next start
 * has a usable one.
 */
import { match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Authority } from "../../src/cert/authority/authority.ts";
import { enrol } from "../../src/cert/enrolment.ts";
import { parseName } from "../../src/cert/name.ts";
import { CertificateStore } from "../../src/cert/store.ts";
import { loadCredentials } from "../../src/tls/credentials.ts";
import { localEnrolment } from "../peers/killed_enrolment.ts";
import { RunningProgram } from "../peers/process.ts";

const child = fileURLToPath(new URL("../peers/killed_enrolment.ts", import.meta.url));
const never = new AbortController().signal;

/** Runs the process that kills itself. @returns whether it lived: then there is no such operation any more */
async function lives(dir: string, caDir: string, killAt: number, torn: boolean): Promise<boolean> {
  const words = ["run", "-A", "--quiet", "--no-check", child, dir, caDir, String(killAt), torn ? "torn" : "before"];
  await using program = RunningProgram.start(Deno.execPath(), words, { name: "killed enrolment" });
  const status = await program.waitForExit();
  if (status.success) return true;
  strictEqual(status.signal, "SIGKILL", program.stderr);
  return false;
}

/** Every key anywhere below is readable by its owner alone. */
function checkKeyModes(folder: string): void {
  for (const entry of Deno.readDirSync(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) checkKeyModes(path);
    else if (entry.isFile && entry.name === "key") strictEqual(Deno.lstatSync(path).mode! & 0o777, 0o600, path);
  }
}

/** What programs see that read DIR/cert and DIR/key themselves. */
function visiblePair(dir: string): boolean {
  const at = (name: string): string => join(dir, name);
  try {
    Deno.statSync(at("cert"));
  } catch {
    return false;
  }
  loadCredentials({ ca: at("ca"), cert: at("cert"), key: at("key") });
  return true;
}

async function tryAll(renewal: boolean): Promise<number> {
  const folder = Deno.makeTempDirSync({ prefix: "kill" });
  try {
    const { authority } = await Authority.init(join(folder, "ca"), parseName("CN=CA"), 9e9, Date.now());
    let kills = 0;
    for (const torn of [false, true]) {
      for (let killAt = 1;; killAt++) {
        const dir = join(folder, `${torn ? "torn" : "before"}-${killAt}`);
        const store = new CertificateStore(dir);
        if (renewal) { for (let i = 0; i < 2; i++) await enrol(store, localEnrolment(authority), true, never); }
        if (await lives(dir, authority.dir, killAt, torn)) break;
        kills++;
        ok(!renewal || visiblePair(dir), `${dir}: the pair in use is gone`);
        try {
          Deno.statSync(dir);
          checkKeyModes(dir);
        } catch (error) {
          if (!(error instanceof Deno.errors.NotFound)) throw error;
        }
        const { generation } = await enrol(store, localEnrolment(authority), false, never);
        ok(visiblePair(dir), `${dir}: no usable pair after the next start`);
        checkKeyModes(dir);
        const names = [...Deno.readDirSync(dir)].map(({ name }) => name);
        strictEqual(names.filter((name) => name.endsWith(".tmp")).join(), "", `${dir}: something unfinished is left`);
        strictEqual(Deno.readLinkSync(join(dir, "current")), `gen-${generation.number}`);
      }
    }
    return kills;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("kill -9 at every file operation of an enrolment leaves none or all, and the next start has a usable pair", async () => {
  ok(await tryAll(false) > 30);
});

Deno.test("kill -9 at every file operation of a renewal leaves a usable pair at every moment", async () => {
  ok(await tryAll(true) > 30);
});

Deno.test("a store with garbage in each of its files still starts, from the generation before", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "garbage" });
  try {
    const { authority } = await Authority.init(join(folder, "ca"), parseName("CN=CA"), 9e9, Date.now());
    for (const file of ["key", "cert", "ca", "meta.json"]) {
      const dir = join(folder, file);
      const store = new CertificateStore(dir);
      for (let i = 0; i < 2; i++) await enrol(store, localEnrolment(authority), true, never);
      Deno.writeTextFileSync(join(dir, "gen-2", file), "\0garbage");
      const { generation } = await enrol(store, localEnrolment(authority), false, never);
      strictEqual(generation.number, file === "meta.json" ? 2 : 1, file);
      ok(visiblePair(dir));
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a key that somebody put into the folder by hand is not overwritten", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "foreign" });
  try {
    const { authority } = await Authority.init(join(folder, "ca"), parseName("CN=CA"), 9e9, Date.now());
    Deno.mkdirSync(join(folder, "dir"));
    Deno.writeTextFileSync(join(folder, "dir/key"), "mine");
    let text = "";
    await enrol(new CertificateStore(join(folder, "dir")), localEnrolment(authority), false, never).catch((
      error: Error,
    ) => text = error.message);
    match(text, /"key" in it was not made by the agent\nTry: move it away/);
    strictEqual(Deno.readTextFileSync(join(folder, "dir/key")), "mine");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
