/** The options of `agent dump`, and what their words mean; all mistakes are found before anything is gathered. */
import type { Command } from "commander";
import type { DumpConfig } from "../config/config.ts";
import { parseDurationMs, parseSizeBytes } from "../formats/duration.ts";
import { UsageError } from "../pipeline/errors.ts";
import { collectValues, newCommand, oneOf } from "./options.ts";
import { usage } from "./words.ts";

/** The options, as typed. */
export interface DumpWords {
  readonly config?: string;
  readonly root: string;
  readonly profile?: string;
  readonly output?: string;
  readonly force?: boolean;
  readonly list?: boolean;
  readonly dryRun?: boolean;
  readonly schema?: boolean;
  readonly only?: readonly string[];
  readonly skip?: readonly string[];
  readonly since?: string;
  readonly until?: string;
  readonly deadline?: string;
  readonly timeout?: readonly string[];
  readonly jobs?: string;
  readonly maxSize?: string;
  readonly keepPartial?: boolean;
  readonly progress: string;
  readonly include?: readonly string[];
  readonly namespace?: readonly string[];
  readonly kubeconfig?: string;
  readonly process?: readonly string[];
  readonly metrics?: readonly string[];
  readonly command?: readonly string[];
  readonly recipient?: readonly string[];
  readonly recipientsFile?: readonly string[];
  readonly passphrase?: boolean;
  readonly passphraseFile?: string;
  readonly passphraseEnv?: string;
  readonly encrypt: boolean;
  readonly format?: string;
  readonly layout?: string;
  readonly mode?: string;
  readonly upload?: string | true;
  readonly uploadHeaders?: string;
  readonly ca?: string;
  readonly yes?: boolean;
  readonly nodes?: string;
  readonly redact: boolean;
  readonly yesIKnowItIsUnredacted?: boolean;
  readonly secretsOnly?: boolean;
  readonly word?: readonly string[];
  readonly pattern?: readonly string[];
  readonly ipMode: string;
  readonly pseudonymKey?: string;
  readonly map?: string;
  readonly identity?: readonly string[];
}

const example = `agent dump                                   # everything, redacted, into this folder
agent dump --profile speed --recipient age1… # quick, and for the support team's eyes alone
ssh box agent dump --output - > box.tar.gz   # nothing stays on the box
agent dump upload FILE --upload URL          # send one that is there
agent dump inspect FILE                      # state, what is missing, findings
agent dump redact FILE NEW                   # replace more in one that is there`;

/** The command with all its options. */
export function dumpCommand(): Command {
  const command = newCommand("dump", "Gathers the evidence of this machine into one file, redacted.", example)
    .argument("[action...]", "upload FILE, inspect FILE, redact FILE NEW; none: make a dump")
    .option("--config <file>", "configuration with a section dump (default: /etc/agent/agent.yaml, if it is there)")
    .option("--profile <name>", "speed, complete or size")
    .option("-o, --output <file>", "the file; - is stdout, a folder gets a file of its own name")
    .option("--force", "replace a file that is there");
  gatherOptions(command);
  redactOptions(command);
  sealOptions(command);
  return command.option("--progress <form>", "auto, bar, lines (for programs) or none", "auto");
}

function gatherOptions(command: Command): void {
  command.option("--list", "list the collectors and end")
    .option("--dry-run", "say what would be read and run, and end")
    .option("--schema", "print the JSON Schema of report.json and end")
    .option("--only <id>", "run this collector, group or pattern alone; repeatable", collectValues)
    .option("--skip <id>", "leave it out; repeatable", collectValues)
    .option("--since <time>", "logs from then on: 2h (ago) or 2026-11-20T20:00:00Z")
    .option("--until <time>", "logs until then")
    .option("--deadline <duration>", "for the whole dump (default: speed 20s, size 2m, complete 5m)")
    .option("--timeout <[id=]duration>", "for each collector, one, or a program's runs; repeatable", collectValues)
    .option("--jobs <number>", "collectors at a time (default: 4)")
    .option("--max-size <size>", "of the file; logs lose their oldest lines")
    .option("--keep-partial", "when stopped, write what is there")
    .option("--include <pattern>", "more files, for example /etc/myapp/*.conf; repeatable", collectValues)
    .option("--process <name>", "look at these processes closely; repeatable", collectValues)
    .option("--metrics <url>", "read a page of metrics; repeatable", collectValues)
    .option("--command <name=words>", "run a command, words by spaces, no shell; repeatable", collectValues)
    .option("--namespace <name>", "Kubernetes: this namespace alone; repeatable", collectValues)
    .option("--kubeconfig <file>", "Kubernetes: where the cluster is (default: as kubectl, or that of the node)")
    .option("--nodes <list>", "not this machine but these, by commas: ssh names, or http(s):// addresses of agents")
    .option("--root <dir>", "look at a tree below DIR instead of this machine; runs no commands", "/");
}

function redactOptions(command: Command): void {
  command.option("--word <text>", "replace this word, too; repeatable", collectValues)
    .option("--pattern <regex>", "mask what matches, or the group in it; repeatable", collectValues)
    .option("--ip-mode <mode>", "prefix (networks stay networks) or token", "prefix")
    .option("--secrets-only", "mask secrets, leave names and addresses")
    .option("--pseudonym-key <file>", "key of the replacement names (32 bytes or more): the same in each dump")
    .option("--map <file>", "write which name was replaced by what; keep it to yourself")
    .option("--identity <file>", "redact: key that opens FILE; repeatable", collectValues)
    .option("--no-redact", "leave everything as it is; asks first")
    .option("--yes-i-know-it-is-unredacted", "the answer, where there is no terminal");
}

function sealOptions(command: Command): void {
  command.option("--recipient <key>", "encrypt to this age key (age1…); repeatable", collectValues)
    .option("-R, --recipients-file <file>", "age keys, one per line; repeatable", collectValues)
    .option("--passphrase", "encrypt with a passphrase, asked for")
    .option("--passphrase-file <file>", "encrypt with the passphrase in the first line of a file")
    .option("--passphrase-env <name>", "encrypt with the passphrase in an environment variable")
    .option("--no-encrypt", "do not encrypt, though recipients are configured or it is uploaded")
    .option("--format <form>", "age, k3s (that script's format) or plain")
    .option("--layout <form>", "full, or k3s: what that script gathers, under its names")
    .option("--mode <mode>", "as the k3s script: gather, gather-upload, gather-upload-confirm, gather-upload-nometa")
    .option("--upload [url]", "send it: https://… (PUT), tus+https://… (resumable), or @FILE with such a URL")
    .option("--upload-headers <file>", "request headers of the upload and of --nodes, one per line")
    .option("--ca <file>", "CA certificates of the upload's server and of --nodes")
    .option("--yes", "upload without asking");
}

/** The profile, from the words or the configuration. @throws {UsageError} */
export function profileOf(words: DumpWords, config: DumpConfig | undefined): DumpConfig["profile"] {
  return oneOf("--profile", words.profile ?? config?.profile ?? "complete", ["speed", "complete", "size"]);
}

/** The deadline of the whole, milliseconds. @throws {UsageError} */
export function deadlineOf(words: DumpWords, config: DumpConfig | undefined, profile: DumpConfig["profile"]): number {
  if (words.deadline !== undefined) {
    const deadlineMs = usage("--deadline", () => parseDurationMs(words.deadline!));
    if (deadlineMs < 1_000) throw new UsageError("--deadline: less than 1s is not enough for anything");
    return deadlineMs;
  }
  return config?.deadlineMs ?? { speed: 20_000, size: 120_000, complete: 300_000 }[profile];
}

/** Collectors at a time. @throws {UsageError} */
export function jobsOf(words: DumpWords, config: DumpConfig | undefined): number {
  const jobs = words.jobs === undefined ? config?.jobs ?? 4 : Number(words.jobs);
  if (!Number.isInteger(jobs) || jobs < 1 || jobs > 64) throw new UsageError("--jobs: 1 to 64");
  return jobs;
}

/** The size of the final file at the most. @throws {UsageError} */
export function maxBytesOf(words: DumpWords, config: DumpConfig | undefined): number | undefined {
  if (words.maxSize === undefined) return config?.maxBytes;
  const maxBytes = usage("--max-size", () => parseSizeBytes(words.maxSize!));
  if (maxBytes < 64 * 1024) throw new UsageError("--max-size: less than 64KiB holds no report");
  return maxBytes;
}

/** A moment: so long ago, or a date. @throws {UsageError} */
export function momentOf(option: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  if (/^[\d.]+(ms|s|m|h|d)/.test(text)) return new Date(Date.now() - usage(option, () => parseDurationMs(text)));
  const date = new Date(/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(text) ? `${text}Z` : text);
  if (!isDay(text) || Number.isNaN(date.getTime())) {
    throw new UsageError(`${option}: "${text}" is no time\nTry: 2h (ago), or 2026-11-20T20:00:00Z`);
  }
  return date;
}

/** Whether it begins with a day that there is: `Date` takes the 30th of February for the 2nd of March. */
function isDay(text: string): boolean {
  const [, year, month, day] = /^(\d{4})-(\d\d)(?:-(\d\d))?(?!\d)/.exec(text) ?? [];
  if (year === undefined) return false;
  return day === undefined ||
    new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() === Number(day);
}

/** Whether the bundle goes to stdout, and nothing else may. */
export function toStdout(words: DumpWords): boolean {
  return words.output === "-";
}
