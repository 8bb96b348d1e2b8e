/** `agent sign` as a program under test, on a free port of 127.0.0.1, with a CA and challenges in a temporary folder. */
import { join } from "node:path";
import { agentCommand } from "./agent.ts";
import type { Pki } from "./pki.ts";
import { RunningProgram } from "./process.ts";

/** How the service is started. */
export interface SignerOptions {
  /** The shared secret; default {@linkcode sharedChallenge}. */
  readonly challenge?: string;
  /** Lines of the file of one-time secrets; none by default. */
  readonly devices?: string;
  /** More words for the command line. */
  readonly words?: readonly string[];
}

/** Not printable in ASN.1's sense, with an accent: the hard case. */
export const sharedChallenge = "p@ss_w*rd&x é";

/** The service. It keeps its CA, not its port, over `kill` and `start`. Dispose it to end it and to remove its folder. */
export class SigningService implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "sign" });
  readonly #options: SignerOptions;
  #program: RunningProgram | undefined;
  #port = 0;

  constructor(options: SignerOptions) {
    this.#options = options;
    Deno.writeTextFileSync(this.challengeFile, `${options.challenge ?? sharedChallenge}\n`, { mode: 0o600 });
    if (options.devices !== undefined) Deno.writeTextFileSync(this.devicesFile, options.devices, { mode: 0o600 });
  }

  get challengeFile(): string {
    return join(this.folder, "challenge");
  }

  get devicesFile(): string {
    return join(this.folder, "devices");
  }

  /** The CA's folder. */
  get dir(): string {
    return join(this.folder, "ca");
  }

  get ca(): string {
    return join(this.dir, "ca.crt");
  }

  get port(): number {
    return this.#port;
  }

  /** `https://localhost:PORT`. */
  get origin(): string {
    return `https://localhost:${this.#port}`;
  }

  get program(): RunningProgram {
    return this.#program!;
  }

  /** Lines of the issue log. */
  get issued(): readonly Record<string, unknown>[] {
    const text = Deno.readTextFileSync(join(this.dir, "issued.jsonl"));
    return text.trim().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  }

  /** Takes the CA that openssl made, in place of one of its own; before the first `start`. */
  adoptCa(pki: Pki): void {
    Deno.mkdirSync(this.dir, { mode: 0o700 });
    Deno.copyFileSync(pki.ca, this.ca);
    const key = Deno.readTextFileSync(join(pki.folder, "ca.key"));
    Deno.writeTextFileSync(join(this.dir, "ca.key"), key, { mode: 0o600 });
  }

  /** Starts it and waits until it listens. @param port the same as before, for a restart; default a free one */
  async start(port = 0): Promise<void> {
    const devices = this.#options.devices === undefined ? [] : ["--device-challenges", this.devicesFile];
    const { command, args } = agentCommand([
      ...["sign", "--init", "--dir", this.dir, "--listen", `127.0.0.1:${port}`, "--challenge-file", this.challengeFile],
      ...["--rate", "0", ...devices, ...(this.#options.words ?? [])],
    ]);
    this.#program = RunningProgram.start(command, args, { name: "agent sign" });
    const [, bound] = await this.#program.waitForOutput(/listening on 127\.0\.0\.1:(\d+)/);
    this.#port = Number(bound);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Starts a service. */
export async function startSigner(options: SignerOptions = {}): Promise<SigningService> {
  const service = new SigningService(options);
  await service.start();
  return service;
}
