/** `agent serve` as a process: who may reach it, a real dump by a child, dumps of other machines, the end. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { freePort } from "../peers/ports.ts";
import { RunningProgram, runProgram, waitFor } from "../peers/process.ts";
import { ask } from "../peers/status_server.ts";

/** A folder, and the servers that keep their state in it. */
class Scene implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "serve-" });
  readonly address = `http://127.0.0.1:${freePort()}`;
  readonly dumps = join(this.folder, "state", "dumps");
  readonly tokenFile = join(this.folder, "token");
  #program: RunningProgram | undefined;

  async start(...words: readonly string[]): Promise<RunningProgram> {
    const listen = ["--listen", new URL(this.address).host, "--state", join(this.folder, "state")];
    const { command, args } = agentCommand(["serve", ...listen, ...words]);
    this.#program = RunningProgram.start(command, args, { name: "agent serve" });
    await this.#program.waitForOutput(/listening on/);
    return this.#program;
  }

  /** Files of dumps, whole or not. */
  files(): readonly string[] {
    return [...Deno.readDirSync(this.dumps)].map(({ name }) => name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Processes that make dumps for this folder. */
function dumpers(folder: string): readonly number[] {
  const pids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => pid > 0);
  return pids.filter((pid) => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes(`--output=${folder}`);
    } catch {
      return false; // it has ended
    }
  });
}

async function runAgent(...words: readonly string[]): Promise<{ code: number; stderr: string }> {
  const { command, args } = agentCommand(words);
  await using program = RunningProgram.start(command, args, { name: `agent ${words[0]}` });
  const { code } = await program.waitForExit(90_000);
  return { code, stderr: program.stderr };
}

Deno.test("agent serve refuses to be read by anybody, with exit code 2", async () => {
  const wide = await runAgent("serve", "--listen", "0.0.0.0:0");
  deepStrictEqual([wide.code, /can be reached by others/.test(wide.stderr)], [2, true]);
  strictEqual((await runAgent("serve", "--listen", "nowhere:at:all")).code, 2);
  strictEqual((await runAgent("serve", "--ca", "/ca.crt")).code, 2);
});

Deno.test("agent serve answers, and ends at SIGTERM with nobody left", async () => {
  await using scene = new Scene();
  const program = await scene.start();
  const state = (await ask(scene.address, "/api/status")).json();
  deepStrictEqual([state["command"], state["sources"], state["sinks"]], ["serve", [], []]);
  const begun = await ask(scene.address, "/api/dump", { method: "POST" });
  strictEqual(begun.status, 202);
  await waitFor(() => dumpers(scene.dumps).length > 0, "a process that makes the dump");
  await waitFor(() => scene.files().length > 0, "the beginning of its file");
  Deno.kill(program.pid, "SIGTERM");
  strictEqual((await program.exited).code, 143);
  deepStrictEqual([scene.files(), dumpers(scene.dumps)], [[], []]);
});

Deno.test("DELETE /api/dump/ID ends the process that makes it, and leaves nothing", async () => {
  await using scene = new Scene();
  await scene.start();
  const begun = await ask(scene.address, "/api/dump", { method: "POST" });
  await waitFor(() => dumpers(scene.dumps).length > 0, "a process that makes the dump");
  strictEqual((await ask(scene.address, String(begun.json()["url"]), { method: "DELETE" })).status, 204);
  deepStrictEqual([scene.files(), dumpers(scene.dumps)], [[], []]);
});

Deno.test("agent dump --nodes takes the dump of a machine from its status server", async () => {
  await using scene = new Scene();
  await scene.start("--token-file", scene.tokenFile);
  const headers = join(scene.folder, "headers");
  const bundle = join(scene.folder, "nodes.tar.gz");
  Deno.writeTextFileSync(headers, `Authorization: Bearer ${Deno.readTextFileSync(scene.tokenFile)}`, { mode: 0o600 });
  const words = ["dump", "--nodes", scene.address, "--profile", "speed", "--deadline", "60s", "--output", bundle];
  const { code, stderr } = await runAgent(...words, "--upload-headers", headers);
  ok(code === 0 || code === 3, stderr);
  const listed = await runProgram("tar", ["-tzf", bundle]);
  match(listed.stdout, /nodes\/127-0-0-1-\d+\/system\/hostname/);
  const [name] = scene.files();
  strictEqual(Deno.statSync(join(scene.dumps, name!)).mode! & 0o777, 0o600);
  strictEqual(Deno.statSync(scene.dumps).mode! & 0o777, 0o700);
});
