/** `agent dump`: the evidence of a machine in one file, every time. */
import { readMachine } from "../dump/machine.ts";
import { UsageError } from "../pipeline/errors.ts";
import { openLog } from "../system/log.ts";
import type { CommandContext } from "./context.ts";
import { findConfig } from "./dump_config.ts";
import { dump } from "./dump_making.ts";
import { list } from "./dump_plan.ts";
import { sendFile } from "./dump_sealing.ts";
import { dumpCommand, type DumpWords } from "./dump_words.ts";
import { parseOptions } from "./options.ts";

/** Exit codes: 0 complete, 3 written but incomplete, 1 no file, 2 usage, 130 and 143 stopped; 75 not uploaded yet. */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const parsed = parseOptions<DumpWords>(dumpCommand(), words, context);
  if (parsed === undefined) return 0;
  const { options, args: [action, ...files] } = parsed;
  if (options.schema === true) {
    const { reportSchema } = await import("../dump/report_schema.ts");
    context.print(JSON.stringify(reportSchema(), null, 2) + "\n");
    return 0;
  }
  if (action === undefined && (options.list === true || options.dryRun === true)) {
    return await list(options, findConfig(options.config), readMachine(options.root), context);
  }
  if (action === undefined) return await dump(options, context);
  if (action === "upload" && files.length === 1) return await upload(files[0]!, options, context);
  if (action === "inspect" && files.length === 1) {
    return await (await import("./open.ts")).run([files[0]!, "--report"], context);
  }
  if (action === "redact" && files.length === 2) {
    return await (await import("./dump_again.ts")).redactFile(files[0]!, files[1]!, options, context);
  }
  throw new UsageError(`"${[action, ...files].join(" ")}" is nothing that agent dump does\nTry: agent dump --help`);
}

async function upload(path: string, words: DumpWords, context: CommandContext): Promise<number> {
  const target = words.upload === true || words.upload === undefined
    ? findConfig(words.config).config?.dump?.upload
    : words.upload;
  if (target === undefined) {
    throw new UsageError("where to?\nTry: agent dump upload FILE --upload https://host/folder/");
  }
  if (!Deno.stdin.isTerminal() && words.yes !== true) {
    throw new UsageError("nobody can be asked whether to upload: there is no terminal\nTry: --yes");
  }
  await sendFile(path, target, words, openLog("dump"), context.signal);
  if (!context.signal.aborted) context.print(`uploaded ${path}\n`);
  return 0;
}
