/** A machine's file tree that `agent service` installs into, and an agent that a shell script stands for. */
import { join } from "node:path";
import { agentCommand, agentScript } from "./agent.ts";
import { runProgram } from "./process.ts";

/** A temporary root with a configuration and a program. Dispose it to remove it, and what the service left in /run. */
export class ServiceRoot implements Disposable {
  readonly root = Deno.makeTempDirSync({ prefix: "service" });
  /** No other service of this machine is called so. */
  readonly name = `agent-test-${crypto.randomUUID().slice(0, 8)}`;
  readonly program = join(this.root, "agent");
  readonly config = join(this.root, "agent.yaml");
  readonly input = join(this.root, "in.log");
  readonly state = join(this.root, "state");

  /** @param port of a RELP server on 127.0.0.1 */
  constructor(port: number) {
    Deno.writeTextFileSync(this.program, agentScript(), { mode: 0o755 });
    Deno.writeTextFileSync(this.input, "");
    Deno.writeTextFileSync(
      this.config,
      `sources: {in: {type: file, include: [${this.input}]}}
sinks: {out: {type: relp, target: 127.0.0.1, port: ${port}, resumeIntervalMax: 1s}}\n`,
    );
  }

  /** Runs `agent service ACTION` for this root. */
  async service(action: string, words: readonly string[], expectCode = 0): Promise<{ stdout: string; stderr: string }> {
    const { command, args } = agentCommand([
      ...["service", action, "--name", this.name, "--program", this.program, "--state", this.state],
      ...["--root", this.root, "--config", this.config, ...words],
    ]);
    return await runProgram(command, args, { expectCode });
  }

  path(inside: string): string {
    return join(this.root, inside);
  }

  read(inside: string): string {
    return Deno.readTextFileSync(this.path(inside));
  }

  append(line: string): void {
    Deno.writeTextFileSync(this.input, line + "\n", { append: true });
  }

  /** Ids of the agents that run with this configuration. */
  agents(): readonly number[] {
    return [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name)).map(({ name }) => Number(name))
      .filter((pid) => {
        const words = readWords(pid);
        return words.includes("ship") && words.includes(this.config) && !words.includes("check") &&
          !["/bin/sh", "supervise-daemon"].includes(words[0]!);
      });
  }

  [Symbol.dispose](): void {
    for (const path of [this.root, `/run/${this.name}`, `/var/log/${this.name}`]) removeTree(path);
  }
}

function readWords(pid: number): readonly string[] {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
  } catch {
    return []; // it has ended
  }
}

function removeTree(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
