/** Which folders a configuration has the agent write to, for init systems that make everything else read-only. */
import { dirname } from "node:path";

/** The parts of a configuration that name places: whatever is called so, in whichever part. */
export type Parts = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** Folders of file sinks and of Unix sockets; each once. */
export function writableFolders(sources: Parts, sinks: Parts): readonly string[] {
  const folders = new Set<string>();
  for (const part of [...Object.values(sources), ...Object.values(sinks)]) {
    const { folder, socket, listen } = part;
    if (typeof folder === "string") folders.add(folder);
    if (typeof socket === "string") folders.add(dirname(socket));
    if (typeof listen === "object" && listen !== null && "path" in listen) folders.add(dirname(String(listen.path)));
  }
  return [...folders].filter((path) => path.startsWith("/")).sort();
}
