/** `agent dump redact FILE NEW`: replaces more in a bundle that is there. */
import { basename, dirname } from "node:path";
import { redactAgain } from "../dump/again.ts";
import { BundleError } from "../dump/bundle_error.ts";
import { readMachine } from "../dump/machine.ts";
import { openBundleFile } from "../dump/opening/bundle_file.ts";
import { loadKeys } from "../dump/opening/keys.ts";
import { openBundle } from "../dump/opening/open_bundle.ts";
import { openOutput } from "../dump/output.ts";
import { DumpStopped } from "../dump/stopped.ts";
import { WorkFile } from "../dump/work_file.ts";
import { UsageError } from "../pipeline/errors.ts";
import { openLog } from "../system/log.ts";
import type { CommandContext } from "./context.ts";
import { findConfig } from "./dump_config.ts";
import { openDumpRedactor } from "./dump_redactor.ts";
import { planSealing } from "./dump_sealing.ts";
import type { DumpWords } from "./dump_words.ts";

/** Exit codes: 0 done, 3 written without files that could not be made safe, 1 no file. */
export async function redactFile(from: string, to: string, words: DumpWords, context: CommandContext): Promise<number> {
  if (!words.redact) throw new UsageError("redact and --no-redact exclude each other");
  const log = openLog("dump");
  const found = findConfig(words.config);
  const redactor = openDumpRedactor(words, found, readMachine(words.root), (text) => log.warning(text));
  const sealing = await planSealing(words, found.config?.dump, log);
  using file = openBundleFile(from);
  const keys = await loadKeys({ identityFiles: words.identity ?? [], variable: (name) => Deno.env.get(name) });
  using output = openOutput(to, words.force === true);
  using work = WorkFile.inFolder(Deno.env.get("TMPDIR") || dirname(to) || ".");
  try {
    const opened = await openBundle(file, keys, { maxBytes: maxUnpackedBytes, maxEntries });
    const base = sealing.base ??
      redactor.redactText(basename(to)).replace(/\.tar\.gz(\.age)?$/, "").replaceAll(/[^\w-]+/g, "-");
    const { bundle, dropped } = await redactAgain(opened, base, {
      work,
      redactor,
      level: 6,
      maxArtifactBytes: maxUnpackedBytes,
    }, context.signal);
    const seal = await sealing.choose(context.signal);
    const sizeBytes = bundle.sizeBytes + seal.overheadBytes(bundle.sizeBytes);
    await output.write(seal.seal(bundle.read()), sizeBytes, context.signal);
    for (const one of dropped) log.warning(`left out: ${one}`);
    context.print(`${to}\n`);
    if (!context.signal.aborted) await sealing.send(to, context.signal);
    return dropped.length === 0 ? 0 : 3;
  } catch (error) {
    if (error instanceof DumpStopped) {
      log.warning("stopped; nothing is left");
      return 130;
    }
    if (!(error instanceof BundleError)) throw error;
    throw new Error(`Cannot open "${from}": ${error.message}`, { cause: error });
  }
}

const maxUnpackedBytes = 8 * 1024 ** 3;
const maxEntries = 200_000;
