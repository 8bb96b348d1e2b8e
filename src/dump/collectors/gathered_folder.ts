/** A folder that was gathered before (`DIAGDIR` of k3s's script): its files go through the redactor as all others do. */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Artifact, ArtifactKind, Collector, DumpContext } from "../collector.ts";
import { collector } from "./define.ts";
import { abortable, inspect, noteFailure, readChunks } from "./files.ts";

/** Takes the regular files below `folder`, links not followed, under their names there. */
export function gatheredFolderCollector(folder: string): Collector {
  return collector({
    id: "k3s/gathered",
    summary: "what was gathered before, from DIAGDIR",
    timeoutMs: 120_000,
    plan: () => [`${folder}/**`],
    async *collect(context): AsyncIterable<Artifact> {
      for await (const below of filesBelow(folder, "", context)) {
        try {
          const path = join(folder, below);
          const { sizeBytes, modifiedMs } = await inspect(path, context.signal);
          yield {
            path: below,
            kind: kindOf(below),
            origin: path,
            taken: new Date(modifiedMs),
            content: readChunks(path, { maxBytes: sizeBytes, signal: context.signal }),
            ...(below.endsWith(".gz") ? { encoding: "gzip" } : {}),
          };
        } catch (error) {
          if (context.signal.aborted) throw error;
          noteFailure(context, below, error);
        }
      }
    },
  });
}

async function* filesBelow(folder: string, below: string, context: DumpContext): AsyncIterable<string> {
  let names: readonly string[];
  try {
    names = (await abortable(readdir(join(folder, below)), context.signal)).toSorted();
  } catch (error) {
    if (context.signal.aborted) throw error;
    return noteFailure(context, below === "" ? folder : below, error);
  }
  for (const name of names) {
    const path = below === "" ? name : `${below}/${name}`;
    const info = await abortable(lstat(join(folder, path)), context.signal);
    if (info.isDirectory()) yield* filesBelow(folder, path, context);
    else if (info.isFile()) yield path;
    else context.note({ about: path, state: "missing", text: `"${path}" is no file, and was left out` });
  }
}

function kindOf(path: string): ArtifactKind {
  if (/\.json$/.test(path)) return "json";
  if (/\.ya?ml$/.test(path)) return "yaml";
  return /\.log(\.gz)?$|journalctl|pods|containerd/.test(path) ? "log" : "text";
}
