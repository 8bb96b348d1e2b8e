/**
 * The scripts' shell (`npm:dax`): `await $`git log`.cwd(folder).text()`. Quiet, stdin empty, ended after five minutes; a
 * command that fails makes it throw. Where the whole process group has to end with a command, `runProgram` is for it.
 */
import { $ as dax, build$, CommandBuilder } from "dax";

/** Runs commands; values in the template are words of their own, lists are several. */
export const $: typeof dax = build$({
  commandBuilder: new CommandBuilder().stdin("null").stdout("piped").stderr("piped").timeout("5m").errorTail()
    .env({ NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" }),
});

/** The last line of what a failed command said; of other errors the message. */
export function lastWords(error: unknown): string {
  const { stderr = "", stdout = "", message } = error as { stderr?: string; stdout?: string; message: string };
  return (stderr.trim() || stdout.trim() || message).split("\n").at(-1)!;
}
