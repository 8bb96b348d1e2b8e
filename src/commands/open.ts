/** `agent open`: decrypts, checks, lists and extracts a bundle, and tells its report. What it shows is in open_output.ts. */
import { parseSizeBytes } from "../formats/duration.ts";
import { PeerError, TryLaterError, UsageError } from "../pipeline/errors.ts";
import { BundleError } from "../dump/bundle_error.ts";
import type { BundleFile } from "../dump/opening/bundle_file.ts";
import { openExtraction } from "../dump/opening/extract.ts";
import { findBundle } from "../dump/opening/find.ts";
import { inspectBundle, type Inspection } from "../dump/opening/inspect.ts";
import { loadKeys, type OpeningKeys } from "../dump/opening/keys.ts";
import { shownText } from "../dump/opening/names.ts";
import { openBundle, type OpenedBundle } from "../dump/opening/open_bundle.ts";
import { readSecret } from "../dump/secret_input.ts";
import { readHeadersFile } from "../dump/upload/target.ts";
import { openLog } from "../system/log.ts";
import type { CommandContext } from "./context.ts";
import { formatJson, formatList, formatReport, formatState } from "./open_output.ts";
import { collectValues, newCommand, parseOptions } from "./options.ts";
import { usage } from "./words.ts";

interface OpenWords {
  readonly identity?: readonly string[];
  readonly passphrase?: boolean;
  readonly passphraseFile?: string;
  readonly passphraseEnv?: string;
  readonly list?: boolean;
  readonly extract?: string;
  readonly report?: boolean;
  readonly dir?: string;
  readonly from?: string;
  readonly ca?: string;
  readonly headersFile?: string;
  readonly maxSize: string;
  readonly json?: boolean;
}

const example = `agent open dump.tar.gz.age --identity key.txt
agent open dump.tar.gz.age --identity key.txt --extract there
agent open 6204F089 --dir /srv/uploads --identity diags.private.pem --passphrase-file diags.private.key --list
agent open 6204F089 --from https://storage.googleapis.com/k3s-diagnostic-logs/ --identity diags.private.pem

Exit codes: 0 opened, also when the dump says that it is incomplete; 1 wrong key, damaged, or something in it was
refused (stderr says which); 2 usage, also when an ID means no bundle or several; 75 the server cannot be reached.
salt, key and iv (k3s form without metadata), PRIVATE_PEM and PRIVATE_KEY are taken from the environment, as by fetch-diags.sh.`;

/** Opens one bundle. */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const command = newCommand("open", "Decrypts, checks, lists and extracts a bundle of agent dump or k3s.", example)
    .argument("<bundle>", "a file, an URL, - for stdin, or part of a name or a pattern in --dir or --from")
    .option("--identity <file>", "age identities, or an RSA private key (PEM); several times", collectValues)
    .option("--passphrase", "ask for the passphrase of the bundle or the key")
    .option("--passphrase-file <file>", "the passphrase: first line of a file")
    .option("--passphrase-env <name>", "the passphrase: an environment variable")
    .option("--report", "state, what is missing, findings, index (the default)")
    .option("--list", "entries with size and time")
    .option("--extract <dir>", "write the files into a new folder")
    .option("--dir <folder>", "look for the bundle there")
    .option("--from <url>", "look for the bundle in a listing there: a web server's folder, a bucket")
    .option("--ca <file>", "CA certificates that are trusted with --from")
    .option("--headers-file <file>", "request headers for --from, one per line; for tokens")
    .option("--max-size <size>", "most that the bundle may have unpacked", "8GiB")
    .option("--json", "all of it as one JSON object");
  const parsed = parseOptions<OpenWords>(command, words, context);
  if (parsed === undefined) return 0;
  const { options, args: [word] } = parsed;
  const actions = [options.list, options.extract, options.report].filter((one) => one !== undefined);
  if (actions.length > 1) throw new UsageError("--list, --extract and --report: one of them");
  const maxBytes = usage("--max-size", () => parseSizeBytes(options.maxSize));
  const keys = await keysOf(options);
  using file = await find(word!, options, maxBytes, context.signal);
  return await show(file, keys, maxBytes, options, context);
}

async function show(
  file: BundleFile,
  keys: OpeningKeys,
  maxBytes: number,
  options: OpenWords,
  context: CommandContext,
): Promise<number> {
  let bundle: OpenedBundle;
  let inspection: Inspection;
  try {
    bundle = await openBundle(file, keys, { maxBytes, maxEntries });
    const taker = options.extract === undefined ? undefined : openExtraction(options.extract);
    inspection = await inspectBundle(bundle, taker, context.signal);
  } catch (error) {
    if (context.signal.aborted) {
      log.warning(`stopped${options.extract === undefined ? "" : `; "${options.extract}" holds a part of it`}`);
      return 0; // main.ts makes it 130 or 143
    }
    if (!(error instanceof BundleError)) throw error;
    if (options.json) {
      context.print(JSON.stringify({ ok: false, fault: error.fault, problems: [error.message] }) + "\n");
    }
    const [what, ...hint] = error.message.split("\n");
    throw new Error([`Cannot open "${shownText(file.name)}": ${what}`, ...hint].join("\n"), { cause: error });
  }
  if (options.json) context.print(formatJson(bundle, inspection));
  else if (options.list) context.print(formatList(inspection));
  else if (options.extract === undefined) context.print(formatReport(inspection));
  for (const problem of inspection.problems) log.error(problem);
  if (!options.json) log.info(formatState(file.name, bundle, inspection, options.extract));
  return inspection.problems.length === 0 ? 0 : 1;
}

async function find(word: string, options: OpenWords, maxBytes: number, signal: AbortSignal): Promise<BundleFile> {
  if (options.dir !== undefined && options.from !== undefined) throw new UsageError("--dir and --from: one of them");
  try {
    return await findBundle(word, {
      ...(options.dir === undefined ? {} : { folder: options.dir }),
      ...(options.from === undefined ? {} : { from: options.from }),
      ...(options.ca === undefined ? {} : { tls: { ca: options.ca } }),
      ...(options.headersFile === undefined ? {} : { headers: readHeadersFile(options.headersFile) }),
      temporaryFolder: Deno.env.get("TMPDIR") || "/tmp",
      maxFetchBytes: maxBytes,
      signal,
    });
  } catch (error) {
    if (error instanceof PeerError) throw new TryLaterError(error.message, { cause: error });
    throw error;
  }
}

async function keysOf(options: OpenWords): Promise<OpeningKeys> {
  const { passphrase, passphraseFile, passphraseEnv, identity } = options;
  const ask = passphraseFile !== undefined
    ? () => readSecret({ from: "file", path: passphraseFile })
    : passphraseEnv !== undefined
    ? () => readSecret({ from: "environment", name: passphraseEnv })
    : passphrase === true
    ? () => readSecret({ from: "terminal", prompt: "Passphrase: " })
    : undefined;
  return await loadKeys({
    identityFiles: identity ?? [],
    ...(ask === undefined ? {} : { passphrase: ask }),
    variable: (name) => Deno.env.get(name),
  });
}

const maxEntries = 200_000;
const log = openLog("open");
