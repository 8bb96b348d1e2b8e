/** Stands in for the parts of a dump that a test of the others does not want: a redactor of one word, collectors of text. */
import type { Artifact, Collector, CommandSpec, DumpContext } from "../../src/dump/collector.ts";
import { type DumpOptions, type DumpOutcome, makeDump } from "../../src/dump/dump.ts";
import type { Machine } from "../../src/dump/machine.ts";
import { openOutput } from "../../src/dump/output.ts";
import { plainSeal } from "../../src/dump/plain_seal.ts";
import { Progress } from "../../src/dump/progress.ts";
import type { Leak, RedactedContent, Redactor } from "../../src/dump/redaction.ts";
import { WorkFile } from "../../src/dump/work_file.ts";
import { findProgram } from "./skip.ts";

/** Masks `s3cret`; fails on `BREAK`; finds the word `forgotten`, which it does not mask. */
export const wordRedactor: Redactor = {
  redact(content): RedactedContent {
    let times = 0;
    const mask = (text: string): Uint8Array => {
      if (text.includes("BREAK")) throw new Error("s3cret message");
      times += text.split("s3cret").length - 1;
      return latin1(text.replaceAll("s3cret", "******"));
    };
    return {
      content: (async function* (): AsyncGenerator<Uint8Array> {
        let open = ""; // a line that is not whole yet
        for await (const bytes of content) {
          const text = open + new TextDecoder("latin1").decode(bytes);
          const end = text.lastIndexOf("\n") + 1;
          open = text.slice(end);
          yield mask(text.slice(0, end));
        }
        yield mask(open);
      })(),
      counts: () => times === 0 ? [] : [{ rule: "word", times }],
    };
  },
  redactText: (text) => text.replaceAll("s3cret", "******"),
  maskKnown: (content) => ({ content, counts: () => [] }),
  async leaks(content): Promise<readonly Leak[]> {
    let text = "";
    for await (const bytes of content) {
      text = text.slice(-16) + new TextDecoder("latin1").decode(bytes);
      if (text.includes("forgotten")) return [{ rule: "lost-word", offset: 0 }];
    }
    return [];
  },
  mapping: () => [],
};

/** This machine, with programs of the PATH. */
export const testMachine: Machine = {
  root: "/",
  locate: (path) => path,
  live: true,
  hostname: "box",
  init: "unknown",
  which: findProgram,
  kinds: new Set(),
  userId: 0,
};

/** A collector of `group/name`, in every profile, required, with 10 s. */
export function collectorOf(
  id: string,
  collect: (context: DumpContext) => AsyncIterable<Artifact>,
  more: Partial<Collector> = {},
): Collector {
  return {
    id,
    summary: `what ${id} is`,
    profiles: ["speed", "complete", "size"],
    optional: false,
    timeoutMs: 10_000,
    skips: () => Promise.resolve(undefined),
    plan: () => [],
    collect,
    ...more,
  };
}

/** A collector that yields texts by path. */
export function textsOf(
  id: string,
  texts: Readonly<Record<string, string>>,
  kind: Artifact["kind"] = "text",
): Collector {
  return collectorOf(id, async function* (): AsyncGenerator<Artifact> {
    for (const [path, text] of Object.entries(texts)) {
      yield { path, kind, origin: `/${path}`, content: streamOf(text) };
      await Promise.resolve();
    }
  });
}

/** A collector that runs a command, as those of the product do. */
export function commandOf(id: string, command: CommandSpec, more: Partial<Collector> = {}): Collector {
  return collectorOf(id, async function* (context): AsyncGenerator<Artifact> {
    const { stdout, outcome } = context.run(command);
    yield { path: `${id}.txt`, kind: "text", origin: command.program, content: stdout };
    const { state, stderr, exitCode } = await outcome;
    if (state !== "ok") {
      context.note({ about: `${id}.txt`, state, text: `it ended: ${state} ${exitCode ?? ""}`, stderr });
    }
  }, more);
}

/** Bytes of a text, in one chunk. */
export function streamOf(text: string): AsyncIterable<Uint8Array> {
  return ReadableStream.from([new TextEncoder().encode(text)]);
}

/** A dump into `path` with all that is not said left at its simplest. */
export async function dumpTo(
  path: string,
  collectors: readonly Collector[],
  more: Partial<DumpOptions> & { readonly force?: boolean } = {},
): Promise<DumpOutcome> {
  using work = WorkFile.inFolder(Deno.env.get("TMPDIR") ?? "/tmp");
  using output = openOutput(path, more.force === true);
  using progress = new Progress("none", () => {});
  return await makeDump({
    program: "agent test",
    id: "0123abcd",
    base: "agent-dump-test",
    nodeId: "box",
    collectors,
    analysers: [],
    machine: testMachine,
    profile: "speed",
    redactor: wordRedactor,
    redacted: true,
    jobs: 4,
    deadlineMs: 20_000,
    timeouts: { of: () => undefined, programs: new Map() },
    work,
    output,
    progress,
    keepPartial: false,
    chooseSeal: () => Promise.resolve(plainSeal),
    signal: new AbortController().signal,
    ...more,
  });
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
