/** `agent status`: asks a running agent, prints a table; follows its records; prints alert rules and the dashboard. */
import { parseDurationMs } from "../formats/duration.ts";
import { parseSeverity } from "../formats/priority.ts";
import { pause } from "../pipeline/backoff.ts";
import { errorText, TryLaterError } from "../pipeline/errors.ts";
import type { StatusClient } from "../status/client.ts";
import { formatAlerts } from "../status/monitoring/alerts.ts";
import { formatDashboard } from "../status/monitoring/dashboard.ts";
import type { AgentState } from "../status/state.ts";
import { formatState, formatTailRecord, type TerminalOptions } from "../status/terminal.ts";
import type { CommandContext } from "./context.ts";
import { newCommand, parseOptions } from "./options.ts";
import { clientsOf, type ClientWords } from "./status_clients.ts";
import { usage } from "./words.ts";

interface StatusWords extends ClientWords {
  readonly watch?: boolean;
  readonly every: string;
  readonly json?: boolean;
  readonly tail?: string | true;
  readonly severity: string;
  readonly contains: string;
  readonly alerts?: boolean;
  readonly dashboard?: boolean;
}

const example = `agent status
agent status --watch --address unix:/run/agent/status.sock
agent status --tail kubelet --severity warning --contains timeout
agent status --alerts > agent.rules.yml`;

/** Exit codes: 0; 1 it is no agent or refuses; 75 nothing answers. */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const command = newCommand("status", "Asks a running agent whether logs leave this machine.", example)
    .option("--config <file>", "where the agent's address stands; default: /etc/agent/agent.yaml if it is there")
    .option("--address <url>", "http://HOST:PORT, https://HOST:PORT or unix:PATH")
    .option("--token-file <file>", "the token that the agent wants to see")
    .option("--ca <file>", "CA of the agent's certificate, for https")
    .option("--cert <file>", "own certificate, for https")
    .option("--key <file>", "its key")
    .option("--watch", "again and again, until it is stopped")
    .option("--every <duration>", "--watch: how often", "2s")
    .option("--json", "as JSON; with --watch and --tail one object per line")
    .option("--tail [source]", "follow the records of a source, or of all")
    .option("--severity <name>", "--tail: only what is at least as severe", "debug")
    .option("--contains <text>", "--tail: only what contains the text, upper and lower case alike", "")
    .option("--alerts", "print alert rules for Prometheus; asks nobody")
    .option("--dashboard", "print a dashboard for Grafana; asks nobody");
  const parsed = parseOptions<StatusWords>(command, words, context);
  if (parsed === undefined) return 0;
  const { options } = parsed;
  if (options.alerts === true || options.dashboard === true) {
    context.print(options.alerts === true ? formatAlerts() : formatDashboard());
    return 0;
  }
  const severity = usage("--severity", () => parseSeverity(options.severity));
  const everyMs = usage("--every", () => parseDurationMs(options.every));
  const clients = clientsOf(options);
  if (options.tail !== undefined) return await tail(clients, options.tail, severity, options, context);
  return options.watch === true
    ? await watch(clients, Math.max(100, everyMs), options, context)
    : await once(clients, options, context);
}

async function once(clients: readonly StatusClient[], { json }: StatusWords, context: CommandContext): Promise<number> {
  const { client, state } = await firstThatAnswers(clients, context.signal);
  if (json === true) {
    context.print(JSON.stringify(state, null, 2) + "\n");
    return 0;
  }
  await pause(rateSpanMs, context.signal); // a rate needs two looks
  if (context.signal.aborted) return 0;
  context.print(formatState(await client.readState(context.signal), state, terminal()));
  return 0;
}

/** Goes on over restarts of the agent: to see it come back is what one watches for. */
async function watch(
  clients: readonly StatusClient[],
  everyMs: number,
  { json }: StatusWords,
  { signal, print }: CommandContext,
): Promise<number> {
  const first = await firstThatAnswers(clients, signal);
  let before: AgentState | undefined;
  let state: AgentState | undefined = first.state;
  const home = Deno.stdout.isTerminal() ? "\x1b[H\x1b[2J" : "";
  while (!signal.aborted) {
    if (state !== undefined) {
      print(json === true ? JSON.stringify(state) + "\n" : home + formatState(state, before, terminal()) + "\n");
      before = state;
    }
    await pause(everyMs, signal);
    if (signal.aborted) break;
    try {
      state = await first.client.readState(signal);
      if (before !== undefined && state.startMs !== before.startMs) before = undefined; // its counters began again
    } catch (error) {
      if (signal.aborted) break;
      if (!(error instanceof TryLaterError)) throw error;
      state = undefined;
      if (json !== true) print(`${home}${errorText(error).split("\n")[0]}\n`);
    }
  }
  return 0;
}

async function tail(
  clients: readonly StatusClient[],
  source: string | true,
  severity: number,
  { contains, json }: StatusWords,
  { signal, print }: CommandContext,
): Promise<number> {
  const { client, state } = await firstThatAnswers(clients, signal);
  if (source !== true && !state.sources.some(({ id }) => id === source)) {
    const known = state.sources.map(({ id }) => id).join(", ") || "none";
    throw new Error(`Cannot follow source "${source}": the agent has no such source\nTry: one of these: ${known}`);
  }
  const colour = terminal();
  for await (const record of client.follow({ sources: source === true ? [] : [source], severity, contains }, signal)) {
    print(json === true ? JSON.stringify(record) + "\n" : formatTailRecord(record, colour));
  }
  return 0;
}

/** @throws the last complaint when nobody answers, the first one that is not about silence */
async function firstThatAnswers(
  clients: readonly StatusClient[],
  signal: AbortSignal,
): Promise<{ readonly client: StatusClient; readonly state: AgentState }> {
  let silent: unknown;
  for (const client of clients) {
    try {
      return { client, state: await client.readState(signal) };
    } catch (error) {
      if (!(error instanceof TryLaterError)) throw error;
      silent ??= error;
    }
  }
  throw silent;
}

function terminal(): TerminalOptions {
  const isTerminal = Deno.stdout.isTerminal();
  const colour = isTerminal && (Deno.env.get("NO_COLOR") ?? "") === "";
  return { colour, width: isTerminal ? Deno.consoleSize().columns : 0 };
}

const rateSpanMs = 1_000;
