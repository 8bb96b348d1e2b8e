/** What `agent dump` would run: from words and configuration, before anything is done. */
import { join, resolve } from "node:path";
import type { AgentConfig } from "../config/config.ts";
import type { Collector, DumpProfile } from "../dump/collector.ts";
import { type CollectorOptions, collectors } from "../dump/collectors/mod.ts";
import type { Machine } from "../dump/machine.ts";
import { PrecacheStore } from "../dump/precache.ts";
import { withPrecache } from "../dump/precache_fallback.ts";
import { recentLinesCollector } from "../dump/recent_lines.ts";
import { chooseCollectors, parseTimeouts } from "../dump/selection.ts";
import { errorText, UsageError } from "../pipeline/errors.ts";
import type { CommandContext } from "./context.ts";
import type { FoundConfig } from "./dump_config.ts";
import { destinationsOf, ownStateOf } from "./dump_own_state.ts";
import { deadlineOf, type DumpWords, jobsOf, maxBytesOf, momentOf, profileOf, toStdout } from "./dump_words.ts";
import { precacheFolder } from "./precache.ts";

/** What the words and the configuration ask for. */
export interface DumpPlan {
  readonly all: readonly Collector[];
  readonly chosen: readonly Collector[];
  readonly deadlineMs: number;
  readonly jobs: number;
  readonly timeouts: ReturnType<typeof parseTimeouts>;
  readonly maxBytes?: number;
  readonly since?: Date;
  readonly until?: Date;
}

/** Everything that the words can be wrong about, before anything is done. */
export function planDump(words: DumpWords, found: FoundConfig, machine: Machine): DumpPlan {
  const config = found.config?.dump;
  const profile = profileOf(words, config);
  const all = tableOf(words, found, machine);
  const maxBytes = maxBytesOf(words, config);
  const since = momentOf("--since", words.since);
  const until = momentOf("--until", words.until);
  if (since !== undefined && until !== undefined && since > until) {
    throw new UsageError("--since is later than --until: nothing lies between them");
  }
  if (words.output === "") throw new UsageError("--output: it is empty\nTry: a file, a folder, or -");
  if (toStdout(words) && words.upload !== undefined) {
    throw new UsageError("--upload needs a file\nTry: without --output -");
  }
  return {
    all,
    chosen: chosenOf(words, all, profile),
    deadlineMs: deadlineOf(words, config, profile),
    jobs: jobsOf(words, config),
    timeouts: parseTimeouts(words.timeout ?? [], all),
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  };
}

/** What is asked for by options of its own runs in any case, and that there is nothing of it is worth knowing. */
function chosenOf(words: DumpWords, all: readonly Collector[], profile: DumpProfile): readonly Collector[] {
  const named = new Set(collectors(askedByWords(words)).filter(({ id }) => isAskedKind(id)).map(({ id }) => id));
  if (words.kubeconfig !== undefined || words.namespace !== undefined) named.add("kubernetes/cluster");
  const only = words.only ?? [];
  const chosen = chooseCollectors(all, {
    profile,
    only: only.length === 0 ? [] : [...only, ...named],
    skip: words.skip ?? [],
  });
  return chosen.map((one) => named.has(one.id) ? { ...one, isAsked: true } : one);
}

function askedByWords(words: DumpWords): Pick<CollectorOptions, "processes" | "include" | "metrics" | "commands"> {
  return {
    processes: words.process ?? [],
    include: (words.include ?? []).map((pattern) => absolute(pattern, words.root)),
    metrics: words.metrics ?? [],
    commands: (words.command ?? []).map(askedCommand),
  };
}

function isAskedKind(id: string): boolean {
  return /^(?:process|files|metrics|command)\//.test(id);
}

/** As a shell would mean it; below another root there is no current folder. */
function absolute(pattern: string, root: string): string {
  if (pattern === "") throw new UsageError("--include: it is empty");
  return pattern.startsWith("/") ? pattern : root === "/" ? resolve(pattern) : `/${pattern}`;
}

function tableOf(words: DumpWords, { path, config }: FoundConfig, machine: Machine): readonly Collector[] {
  const wanted = config?.dump;
  const asked = askedByWords(words);
  const state = (config as AgentConfig | undefined)?.state ?? machine.locate("/var/lib/agent");
  try {
    const table = collectors({
      ownState: ownStateOf(path, config, state),
      destinations: destinationsOf(config),
      certificateFolders: config?.certificate === undefined ? [] : [config.certificate.folder],
      kubernetes: {
        ...(words.namespace === undefined ? {} : { namespaces: words.namespace }),
        ...(words.kubeconfig === undefined ? {} : { kubeconfig: words.kubeconfig }),
      },
      processes: [...wanted?.processes ?? [], ...asked.processes ?? []],
      include: [...wanted?.files ?? [], ...asked.include ?? []],
      metrics: [...wanted?.metrics ?? [], ...asked.metrics ?? []],
      commands: [
        ...Object.entries(wanted?.commands ?? {}).map(([name, command]) => ({ name, command: command as [string] })),
        ...asked.commands ?? [],
      ],
    });
    if (!machine.live) return table;
    const kept = precacheFolder(state);
    return [...withPrecache(table, new PrecacheStore(kept)), recentLinesCollector(join(kept, "recent"))];
  } catch (error) {
    throw new UsageError(errorText(error), { cause: error });
  }
}

function askedCommand(text: string): { name: string; command: [string, ...string[]] } {
  const [, name, line] = /^([A-Za-z0-9._-]{1,60})=\s*(\S.*)$/.exec(text) ?? [];
  if (name === undefined) throw new UsageError(`--command: "${text}" has no name\nTry: --command 'disks=lsblk --fs'`);
  return { name, command: line!.trim().split(/\s+/) as [string, ...string[]] };
}

/** `--list`: all collectors, those that would run marked. `--dry-run`: what those would read and run. */
export async function list(
  words: DumpWords,
  found: FoundConfig,
  machine: Machine,
  context: CommandContext,
): Promise<number> {
  const { all, chosen } = planDump(words, found, machine);
  for (const one of words.dryRun === true ? chosen : all) {
    const skipped = await one.skips(machine);
    const state = skipped === undefined ? "" : ` — not here: ${skipped}`;
    if (words.dryRun === true) {
      context.print(
        `${one.id}${state}\n${skipped === undefined ? one.plan(machine).map((line) => `  ${line}\n`).join("") : ""}`,
      );
    } else {
      const profiles = one.profiles.join(",");
      context.print(
        `${chosen.some(({ id }) => id === one.id) ? "*" : " "} ${
          one.id.padEnd(26)
        } ${one.summary} [${profiles}]${state}\n`,
      );
    }
  }
  return 0;
}
