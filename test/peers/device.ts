/** A device that gets certificates with `agent cert`: a folder of its own and a secret. */
import { join } from "node:path";
import { agentCommand } from "./agent.ts";
import { RunningProgram, runProgram } from "./process.ts";
import { sharedChallenge } from "./signer.ts";

/** The subject that devices ask for; their host name is `rotuer`. */
export const subject = "C=GB,ST=London,O=Telent,OU=devices,CN=${hostname}";

/** A folder for the certificate, and a file with the secret. */
export class Device implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "cert" });
  readonly dir = join(this.folder, "cert");
  readonly secret = join(this.folder, "challenge");

  constructor(challenge = sharedChallenge) {
    Deno.writeTextFileSync(this.secret, challenge + "\n", { mode: 0o600 });
  }

  get cert(): string {
    return join(this.dir, "cert");
  }

  async run(words: readonly string[], expectCode = 0): Promise<{ stdout: string; stderr: string }> {
    const [action, ...rest] = words;
    const { command, args } = agentCommand(["cert", action!, "--dir", this.dir, ...rest]);
    return await runProgram(command, args, { expectCode });
  }

  enroll(
    url: string,
    ca: string,
    more: readonly string[] = [],
    expectCode = 0,
  ): Promise<{ stdout: string; stderr: string }> {
    return this.run(["enroll", ...this.#request(url, ca), ...more], expectCode);
  }

  /** `agent cert watch`, running. */
  watch(url: string, ca: string, more: readonly string[] = []): RunningProgram {
    const { command, args } = agentCommand(["cert", "watch", "--dir", this.dir, ...this.#request(url, ca), ...more]);
    return RunningProgram.start(command, args, { name: "agent cert watch" });
  }

  async status(expectCode = 0): Promise<Record<string, unknown>> {
    return JSON.parse((await this.run(["status", "--json"], expectCode)).stdout);
  }

  /** What is asked for, where, and with which secret. */
  #request(url: string, ca: string): readonly string[] {
    const secret = ["--challenge-file", this.secret];
    return ["--url", url, "--ca", ca, "--subject", subject, "--hostname", "rotuer", ...secret];
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}
