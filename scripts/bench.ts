/** `deno task bench [NAME [OPTIONS]]`: runs `test/bench/NAME_bench.ts`; without a name, lists them. */
import { pathToFileURL } from "node:url";
import { projectRoot } from "./graph.ts";
import { filesBelow, say } from "./program.ts";

/** What every file of `test/bench/` exports. */
interface Bench {
  /** Measures and prints; `words` are the options behind the name, for example `--lines 100000`. A number is the exit code. */
  run(words: readonly string[]): Promise<number | void>;
}

const folder = `${projectRoot}/test/bench`;
const suffix = "_bench.ts";

async function bench(name: string, words: readonly string[]): Promise<number> {
  const names = filesBelow(folder, (path) => path.endsWith(suffix)).map((path) =>
    path.slice(folder.length + 1, -suffix.length)
  );
  if (!names.includes(name)) {
    say(
      name === ""
        ? `benches: ${names.join(", ")}`
        : `Cannot run bench "${name}": there is none\nTry: ${names.join(", ")}`,
    );
    return name === "" ? 0 : 2;
  }
  const { run } = await import(pathToFileURL(`${folder}/${name}${suffix}`).href) as Bench;
  return await run(words) ?? 0;
}

const [name = "", ...words] = Deno.args;
Deno.exit(await bench(name, words));
