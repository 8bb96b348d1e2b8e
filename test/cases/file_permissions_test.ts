/**
 * `agent ship` as a user of its own, from files and folders whose permissions are taken away and given back: said once each
 * way, other files go on, and nothing is lost or comes twice, whatever was rotated meanwhile. The packed program is used,
 * since the user may not read this checkout.
 */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { type Collector, startCollector } from "../peers/collector.ts";
import { judgeLines, newRun, perfect, writeNumberedLines } from "../peers/numbered_lines.ts";
import { packedAgent } from "../peers/packed_agent.ts";
import { RunningProgram, waitFor } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

/** nobody:nogroup on Debian; any that is not ours. */
const user = 65_534;

Deno.test({
  name: "agent ship as another user reads on when a file, and its folder, may be read again",
  ...needs("root", "setpriv"),
  fn: async () => {
    await using collector = await startCollector();
    await using place = await Place.make(collector);
    const path = join(place.logs, "a.log");
    place.write(path, 500);
    let program = place.start();
    await place.arrived("lines at first");

    // A rotation that forgets the permissions of the new file.
    Deno.renameSync(path, `${path}.1`);
    place.write(path, 500);
    Deno.chmodSync(path, 0o600);
    await program.waitForOutput(/Cannot read file .*a\.log/);
    place.write(join(place.logs, "b.log"), 100);
    await waitFor(() => place.verdict().lost === 500, "lines of the other file");
    Deno.chmodSync(path, 0o644);
    await place.arrived("lines of the file");
    strictEqual(said(program, /Cannot read file/), 1);
    await program.waitForOutput(/can be read again/);
    strictEqual(said(program, /can be read again/), 1);

    // A folder that nobody may look into for a while; files are written and rotated in it, and the agent is killed.
    for (const kill of [false, true]) {
      if (kill) await program.kill();
      Deno.chmodSync(place.logs, 0o700);
      if (kill) program = place.start();
      place.write(path, 300);
      for (let i = 5; i > 0; i--) rename(`${path}.${i}`, `${path}.${i + 1}`);
      Deno.renameSync(path, `${path}.1`);
      place.write(path, 200);
      Deno.renameSync(path, `${path}-${kill ? 2 : 1}`); // of which nobody has seen anything
      await pause(20); // another modification time
      place.write(path, 100);
      await program.waitForOutput(/Cannot list folder/);
      await pause(7_000); // longer than anything waits that cannot be found
      Deno.chmodSync(place.logs, 0o755);
      await place.arrived(`lines that were written in a locked folder${kill ? ", and by a start" : ""}`);
    }
    strictEqual(said(program, /Cannot list folder/), 1);
    await program[Symbol.asyncDispose]();
    deepStrictEqual({ ...place.verdict(), outOfOrder: 0, foreign: 0 }, perfect(place.count));
  },
});

/** A folder of logs, and an agent of another user that ships them to a collector. */
class Place implements AsyncDisposable {
  readonly logs: string;
  readonly #folder: string;
  readonly #agent: string;
  readonly #collector: Collector;
  readonly #run = newRun();
  #program: RunningProgram | undefined;
  count = 0;

  private constructor(folder: string, agent: string, collector: Collector) {
    this.#folder = folder;
    this.#agent = agent;
    this.#collector = collector;
    this.logs = join(folder, "logs");
  }

  static async make(collector: Collector): Promise<Place> {
    const folder = Deno.makeTempDirSync({ prefix: "user" });
    const agent = join(folder, "agent");
    Deno.copyFileSync(await packedAgent(folder), agent);
    const place = new Place(folder, agent, collector);
    Deno.chmodSync(folder, 0o755);
    Deno.chmodSync(agent, 0o755);
    Deno.mkdirSync(place.logs);
    Deno.mkdirSync(join(folder, "state"));
    Deno.chownSync(join(folder, "state"), user, user);
    return place;
  }

  start(): RunningProgram {
    const { url } = this.#collector;
    const words = ["--from", `file:${this.logs}/*.log`, "--to", url, "--state", join(this.#folder, "state")];
    const as = [`--reuid=${user}`, `--regid=${user}`, "--clear-groups"];
    const env = { HOME: this.#folder, TMPDIR: join(this.#folder, "state") };
    this.#program = RunningProgram.start("setpriv", [...as, this.#agent, "ship", ...words], {
      env,
      name: "agent ship",
    });
    return this.#program;
  }

  write(path: string, count: number): void {
    writeNumberedLines(path, this.#run, this.count, this.count += count);
  }

  verdict(): ReturnType<typeof judgeLines> {
    return judgeLines(this.#collector.output, this.#run, this.count);
  }

  async arrived(what: string): Promise<void> {
    await waitFor(() => this.verdict().lost === 0, what, 60_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

function said(program: RunningProgram, words: RegExp): number {
  return [...program.stderr.matchAll(new RegExp(words, "g"))].length;
}

function rename(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
