/** Runs collectors without the runner: every content is read, every note kept. */
import type { Artifact, Collector, CollectorNote, DumpContext, DumpProfile } from "../../src/dump/collector.ts";
import type { Machine } from "../../src/dump/machine.ts";
import { startCommand } from "../../src/dump/running_command.ts";

/** What one collector gave. */
export interface Collected {
  /** Why it did not run. */
  readonly skipped?: string;
  readonly texts: ReadonlyMap<string, string>;
  readonly artifacts: ReadonlyMap<string, Artifact>;
  readonly notes: readonly CollectorNote[];
  /** What it threw. */
  readonly error?: unknown;
}

/** How it is run. */
export interface CollectingOptions {
  readonly profile?: DumpProfile;
  readonly since?: Date;
  readonly until?: Date;
  /** Default: that of the collector. */
  readonly deadlineMs?: number;
  /** The most that is kept of one artifact; all is read. Default 8 MiB. */
  readonly keepBytes?: number;
  /** Called after each chunk of a content. */
  readonly onChunk?: (path: string) => void;
}

/** Asks whether it skips, makes its plan, and reads all that it gives. */
export async function collect(
  machine: Machine,
  collector: Collector,
  options: CollectingOptions = {},
): Promise<Collected> {
  const texts = new Map<string, string>();
  const artifacts = new Map<string, Artifact>();
  const notes: CollectorNote[] = [];
  collector.plan(machine);
  const skipped = await collector.skips(machine);
  if (skipped !== undefined) return { skipped, texts, artifacts, notes };
  const { profile = "complete", since, until, keepBytes = 8 * 2 ** 20 } = options;
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), options.deadlineMs ?? collector.timeoutMs);
  const context: DumpContext = {
    machine,
    profile,
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    run: (command) => startCommand(command, { machine, signal: stop.signal }),
    note: (note) => notes.push(note),
    signal: stop.signal,
  };
  try {
    for await (const artifact of collector.collect(context)) {
      artifacts.set(artifact.path, artifact);
      const decoder = new TextDecoder();
      let text = "";
      texts.set(artifact.path, text);
      for await (const chunk of artifact.content) {
        options.onChunk?.(artifact.path);
        if (text.length < keepBytes) texts.set(artifact.path, text += decoder.decode(chunk, { stream: true }));
      }
    }
    return { texts, artifacts, notes };
  } catch (error) {
    return { texts, artifacts, notes, error };
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

/** All of a table, one after the other; ids to what they gave. */
export async function collectAll(
  machine: Machine,
  collectors: readonly Collector[],
  options: CollectingOptions = {},
): Promise<ReadonlyMap<string, Collected>> {
  const all = new Map<string, Collected>();
  for (const collector of collectors) all.set(collector.id, await collect(machine, collector, options));
  return all;
}
