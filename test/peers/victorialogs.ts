/** A real VictoriaLogs on loopback, with its data in a temporary folder. */
import { join } from "node:path";
import { victoriaLogsPath } from "../../scripts/go_peers.ts";
import { freePort } from "./ports.ts";
import { RunningProgram, waitFor } from "./process.ts";

/** The server. It keeps its data over `stop` and `start`. Dispose it to end it and to remove its folder. */
export class VictoriaLogs implements AsyncDisposable {
  readonly port = freePort();
  readonly #folder = Deno.makeTempDirSync({ prefix: "vlogs" });
  #program: RunningProgram | undefined;

  /** Starts it and waits until it answers. */
  async start(): Promise<void> {
    const words = [
      `-storageDataPath=${join(this.#folder, "data")}`,
      "-memory.allowedBytes=64MB",
      "-retentionPeriod=100y",
    ];
    this.#program = RunningProgram.start(victoriaLogsPath(), [...words, `-httpListenAddr=127.0.0.1:${this.port}`]);
    await waitFor(async () => {
      try {
        return (await this.#fetch("/health")) === "OK";
      } catch {
        return false; // not yet
      }
    }, "the health of VictoriaLogs");
  }

  /** Ends it politely: it keeps what it answered for. */
  async stop(): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
    this.#program = undefined;
  }

  /** The rows that a LogsQL query gives of a tenant. */
  async query(logsql: string, tenant: number): Promise<Record<string, string>[]> {
    const words = new URLSearchParams({ query: logsql });
    const text = await this.#fetch(`/select/logsql/query?${words}`, { AccountID: String(tenant), ProjectID: "0" });
    return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Record<string, string>);
  }

  /** Records of a tenant, and how many different messages they have. */
  async count(tenant: number): Promise<{ readonly records: number; readonly different: number }> {
    const [row] = await this.query("* | stats count() records, count_uniq(_msg) different", tenant);
    return { records: Number(row?.records ?? 0), different: Number(row?.different ?? 0) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    Deno.removeSync(this.#folder, { recursive: true });
  }

  async #fetch(path: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.port}${path}`, { headers });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`VictoriaLogs answers ${answer.status}: ${text}`);
    return text;
  }
}
