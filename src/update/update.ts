/** The update itself: fetched, its signature checked, tried, put in place, tried again, and taken back when it fails. */
import { TryLaterError } from "../pipeline/errors.ts";
import { lockFolderItself } from "../system/lock.ts";
import { openLog } from "../system/log.ts";
import { fetchWhole } from "./fetch.ts";
import { type MinisignKey, parseSignature, verifySignature } from "./minisign.ts";
import { installProgram, rollBackProgram, stageProgram } from "./swap.ts";
import { compareVersions } from "./version.ts";

/** What is to be done. */
export interface UpdateOptions {
  /** Absolute path of the installed program. */
  readonly program: string;
  /** Version that it has. */
  readonly version: string;
  /** File or URL of the new program; its signature is beside it, with `.minisig` behind the name. */
  readonly from: string;
  readonly key: MinisignKey;
  readonly allowDowngrade: boolean;
  /** Configuration that the new program must take. */
  readonly config?: string;
  /** Shell command after the change, for example a restart; when it fails the change is taken back. */
  readonly exec?: string;
  /** PEM of the CA that is trusted for `https:`. */
  readonly ca?: string;
}

/** How it ended. */
export interface UpdateResult {
  readonly changed: boolean;
  readonly version: string;
}

/** Updates. @throws when it did not come to that, or was taken back: the old program is in its place then */
export async function updateProgram(options: UpdateOptions, signal: AbortSignal): Promise<UpdateResult> {
  const { program, version, from, allowDowngrade } = options;
  using _lock = lockFolderItself(program.slice(0, program.lastIndexOf("/")) || "/");
  const content = await fetchVerified(options, signal);
  using staged = stageProgram(program, content);
  const newVersion = await tryProgram(staged.path, options, signal);
  const order = compareVersions(newVersion, version);
  if (order === 0) return { changed: false, version };
  if (order < 0 && !allowDowngrade) {
    throw new Error(
      `Cannot update to "${from}": its version ${newVersion} is older than ${version}\nTry: --allow-downgrade`,
    );
  }
  installProgram(program, staged);
  try {
    await tryProgram(program, options, signal);
    if (options.exec !== undefined) await runShell(options.exec, signal);
  } catch (error) {
    rollBackProgram(program);
    if (options.exec !== undefined) await runShell(options.exec, signal).catch((again) => log.error(String(again)));
    throw new Error(`Cannot keep version ${newVersion}: ${(error as Error).message}; version ${version} is back`);
  }
  return { changed: true, version: newVersion };
}

async function fetchVerified({ from, key, ca }: UpdateOptions, signal: AbortSignal): Promise<Uint8Array> {
  const how = { stallMs: 30_000, ...(ca === undefined ? {} : { ca }) };
  const signatureText = await fetchWhole(signatureOf(from), { ...how, maxBytes: 4_096 }, signal);
  const signature = parseSignature(new TextDecoder().decode(signatureText));
  const content = await fetchWhole(from, { ...how, maxBytes: maxProgramBytes }, signal);
  try {
    const comment = verifySignature(content, signature, key);
    log.info(`signed by key ${key.id}: ${comment}`);
  } catch (error) {
    throw new Error(`Cannot trust "${from}": ${(error as Error).message}`);
  }
  return content;
}

/** `URL.minisig`; what stands behind a `?` stays behind. */
function signatureOf(from: string): string {
  const question = from.startsWith("http") ? from.indexOf("?") : -1;
  return question < 0 ? `${from}.minisig` : `${from.slice(0, question)}.minisig${from.slice(question)}`;
}

/** The new program's own word: it starts here, and takes the configuration. @returns its version */
async function tryProgram(path: string, { config }: UpdateOptions, signal: AbortSignal): Promise<string> {
  const told = await run(path, ["version", "--json"], signal);
  let version: unknown;
  try {
    version = JSON.parse(told).version;
  } catch {
    // Said below.
  }
  if (typeof version !== "string") throw new Error(`Cannot try "${path}": it does not tell its version`);
  if (config !== undefined) await run(path, ["check", "--resolved", "--config", config], signal);
  return version;
}

async function runShell(command: string, signal: AbortSignal): Promise<void> {
  await run("/bin/sh", ["-c", command], signal);
}

async function run(program: string, args: readonly string[], signal: AbortSignal): Promise<string> {
  const what = `${program} ${args.join(" ")}`;
  const late = AbortSignal.any([signal, AbortSignal.timeout(trialMs)]);
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: late,
  });
  const { success, code, stdout, stderr } = await child.output();
  if (signal.aborted) throw new TryLaterError("stopped");
  if (success) return new TextDecoder().decode(stdout);
  const said = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
  throw new Error(`"${what}" ended with ${code}${said === "" ? "" : `: ${said}`}`);
}

/** The first start of a self-extracting file on a slow machine unpacks 100 MiB. */
const trialMs = 120_000;
const maxProgramBytes = 512 * 1024 * 1024;
const log = openLog("update");
