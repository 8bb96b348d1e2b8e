/** Debian's Prometheus, which scrapes agents every second; data in a temporary folder, on a free port of 127.0.0.1. */
import { join } from "node:path";
import { freePort } from "./ports.ts";
import { RunningProgram } from "./process.ts";

/** One series of an answer. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A rule as Prometheus has loaded it. */
export interface LoadedRule {
  readonly name: string;
  /** `ok`, `err`, or `unknown` before its first evaluation. */
  readonly health: string;
  readonly lastError?: string;
}

/** What it is told. */
export interface PrometheusOptions {
  /** `host:port` of what is scraped. */
  readonly targets: readonly string[];
  /** Text of a file of rules. */
  readonly rules?: string;
}

/** A running Prometheus. Dispose it to end it and to remove its folder. */
export class Prometheus implements AsyncDisposable {
  readonly #program: RunningProgram;
  readonly #folder: string;
  readonly #url: string;

  private constructor(program: RunningProgram, folder: string, url: string) {
    this.#program = program;
    this.#folder = folder;
    this.#url = url;
  }

  /** Starts it and waits until it answers. */
  static async start({ targets, rules }: PrometheusOptions): Promise<Prometheus> {
    const folder = Deno.makeTempDirSync({ prefix: "prometheus" });
    const config = join(folder, "prometheus.yml");
    const rulesFile = join(folder, "rules.yml");
    if (rules !== undefined) Deno.writeTextFileSync(rulesFile, rules);
    Deno.writeTextFileSync(
      config,
      JSON.stringify({ // JSON is YAML
        global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
        rule_files: rules === undefined ? [] : [rulesFile],
        scrape_configs: [{ job_name: "agent", static_configs: [{ targets }] }],
      }),
    );
    const port = freePort();
    const program = RunningProgram.start("prometheus", [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ], { name: "prometheus" });
    const prometheus = new Prometheus(program, folder, `http://127.0.0.1:${port}`);
    try {
      await program.waitForOutput(/Server is ready to receive web requests/, 30_000);
    } catch (error) {
      await prometheus[Symbol.asyncDispose]();
      throw error;
    }
    return prometheus;
  }

  /** The series that a query gives now; a value that is no number is left out. @throws what Prometheus finds wrong with it */
  async query(query: string): Promise<readonly Series[]> {
    const { result } = await this.#ask<{ result: { metric: Record<string, string>; value: [number, string] }[] }>(
      `query?${new URLSearchParams({ query })}`,
    );
    return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }))
      .filter(({ value }) => !Number.isNaN(value));
  }

  /** Values of a label, as the variable of a dashboard asks for them. */
  async labelValues(label: string, metric: string): Promise<readonly string[]> {
    return await this.#ask(`label/${label}/values?${new URLSearchParams({ "match[]": metric })}`);
  }

  /** The alert rules that it has loaded. */
  async rules(): Promise<readonly LoadedRule[]> {
    const { groups } = await this.#ask<{ groups: { rules: LoadedRule[] }[] }>("rules");
    return groups.flatMap(({ rules }) => rules);
  }

  /** Type, help and unit of each metric, as the newest scrape told them. */
  async metadata(): Promise<Readonly<Record<string, readonly { type: string; help: string }[]>>> {
    return await this.#ask("metadata");
  }

  /** Waits until a query gives something. @throws at the deadline */
  async waitFor(query: string, deadlineMs = 20_000): Promise<readonly Series[]> {
    let series: readonly Series[] = [];
    await this.#program.waitUntil(
      async () => (series = await this.query(query)).length > 0,
      `series of ${query}`,
      deadlineMs,
    );
    return series;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
    Deno.removeSync(this.#folder, { recursive: true });
  }

  async #ask<T>(path: string): Promise<T> {
    const answer = await fetch(`${this.#url}/api/v1/${path}`);
    const { status, data, error } = await answer.json() as { status: string; data: T; error?: string };
    if (status !== "success") throw new Error(`Prometheus refuses "${path}": ${error}`);
    return data;
  }
}
