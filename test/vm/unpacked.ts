/** The agent on a disk as its first start would leave it. */
import { join } from "node:path";
import { runProgram } from "../peers/process.ts";

/**
 * What the first start would do, which takes a minute on an emulated processor and is shown elsewhere (`test/cases/packing_test.ts`):
 * the copy that the file would run from, in `cache`.
 */
export async function unpackAhead(agent: string, cache: string): Promise<void> {
  const header = new TextDecoder("latin1").decode(Deno.readFileSync(agent).subarray(0, 16_384));
  const name = /^name=(\S+)$/m.exec(header)?.[1];
  const start = /tail -c \+(\d+) "\$self"/.exec(header)?.[1];
  if (name === undefined || start === undefined) throw new Error(`Cannot unpack "${agent}": its header is another one`);
  const copy = join(cache, name);
  Deno.mkdirSync(copy, { recursive: true, mode: 0o700 });
  await runProgram("sh", ["-c", 'tail -c "+$1" "$2" | tar -xzf - -C "$3"', "sh", start, agent, copy]);
  Deno.writeTextFileSync(join(copy, "complete"), "");
}
