/** From words to a seal and an upload: who may open the file, and where it goes. Asks before, not after, the gathering. */
import type { DumpConfig } from "../config/config.ts";
import { ageSeal } from "../dump/age_seal.ts";
import { type K3sForm, k3sSecretsNotice, readK3sForm } from "../dump/k3s_form.ts";
import { k3sSeal } from "../dump/k3s_seal.ts";
import { plainSeal } from "../dump/plain_seal.ts";
import { readRecipientsFile } from "../dump/recipients.ts";
import type { Seal } from "../dump/seal.ts";
import { readSecret } from "../dump/secret_input.ts";
import { canAsk, canDraw, confirm, openBar } from "../dump/terminal.ts";
import { planUpload, requireConsent, type UploadMode, uploadModes, type UploadTalk } from "../dump/upload/modes.ts";
import { parseUploadTarget, readHeadersFile } from "../dump/upload/target.ts";
import { uploadBundle } from "../dump/upload/upload.ts";
import { errorText, UsageError } from "../pipeline/errors.ts";
import { formatSize } from "../formats/duration.ts";
import type { Log } from "../system/log.ts";
import type { DumpWords } from "./dump_words.ts";
import { oneOf } from "./options.ts";

/** What was decided from the words alone. */
export interface Sealing {
  /** End of the file's name. */
  readonly suffix: string;
  /** Name of the folder in the archive and of the file, where the form wants its own. */
  readonly base?: string;
  readonly encrypted: boolean;
  /** Whether the k3s script's list of things is gathered, under its names. */
  readonly scriptLayout: boolean;
  /** `--mode upload`: the folder that was gathered before, and nothing else, is in the bundle. */
  readonly gatheredFolder?: string;
  /** Asks what is to be asked, once, after the gathering. @throws {DumpStopped} when the answer is Ctrl-C */
  choose(signal: AbortSignal): Promise<Seal>;
  /** Sends the file where that was asked for and agreed to. @throws when that fails; the file stays */
  send(path: string, signal: AbortSignal): Promise<void>;
  /** What the user must keep, after the file is written; printed on the terminal alone. */
  notice(): string | undefined;
}

/** Reads keys and checks everything that can be wrong. @throws {UsageError} */
export async function planSealing(words: DumpWords, config: DumpConfig | undefined, log: Log): Promise<Sealing> {
  const mode = words.mode === undefined ? undefined : oneOf("--mode", words.mode, uploadModes);
  const format = formatOf(words, mode);
  const layout = oneOf("--layout", words.layout ?? (mode === undefined ? "full" : "k3s"), ["full", "k3s"]);
  const form = format === "k3s" ? readK3sForm((name) => Deno.env.get(name)) : undefined;
  const gathered = mode === "upload" ? form?.diagnosticsFolder : undefined;
  if (mode === "upload" && gathered === undefined) {
    throw new UsageError(
      "--mode upload: of what?\nTry: DIAGDIR=FOLDER in the environment, or agent dump upload FILE --upload URL",
    );
  }
  const age = format === undefined || format === "age" ? await ageKeys(words, config) : undefined;
  if (format === "age" && age === undefined) {
    throw new UsageError("--format age: for whom?\nTry: --recipient age1…, -R FILE or --passphrase");
  }
  const upload = uploadWord(words, config, mode, form);
  if (upload !== undefined) await parseUploadTarget(upload, "dump"); // tells now that it is none
  if (words.uploadHeaders !== undefined) readHeadersFile(words.uploadHeaders);
  const encrypted = age !== undefined || form !== undefined;
  if (upload !== undefined && !encrypted && words.encrypt) {
    throw new UsageError("it would be uploaded unencrypted\nTry: --recipient age1…, or --no-encrypt if that is meant");
  }
  const talk = { interactive: canAsk(), yes: words.yes === true };
  const asked: UploadMode = upload === undefined ? "gather" : mode ?? "gather-upload-confirm";
  requireConsent(asked, talk);
  if (form !== undefined && asked !== "gather-upload-nometa") k3sSeal(form, { includeSecrets: true }); // tells now that no key is there
  let agreed = false;
  let withSecrets = true;
  return {
    suffix: (form === undefined ? age ?? plainSeal : { suffix: ".tar.gz" }).suffix,
    ...(form === undefined ? {} : { base: form.base }),
    encrypted,
    scriptLayout: layout === "k3s",
    ...(gathered === undefined ? {} : { gatheredFolder: gathered }),
    choose: async (signal) => {
      const ask = (question: string, byDefault: boolean): Promise<boolean> => confirm(question, byDefault, signal);
      const plan = await planUpload(asked, { ...talk, confirm: form === undefined ? withoutSecrets(ask) : ask });
      agreed = plan.upload;
      withSecrets = plan.includeSecrets;
      return form === undefined ? age ?? plainSeal : k3sSeal(form, { includeSecrets: plan.includeSecrets });
    },
    send: async (path, signal) => {
      if (agreed && upload !== undefined) await sendFile(path, upload, words, log, signal);
    },
    notice: () => form === undefined || withSecrets ? undefined : k3sSecretsNotice(form.secrets),
  };
}

/** Sends a file that is there; a stop by the user is said, and not thrown: `signal` tells it. */
export async function sendFile(
  path: string,
  word: string,
  words: Pick<DumpWords, "uploadHeaders" | "ca">,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const bar = canDraw() ? await openBar("upload", "bytes") : undefined;
  const sent = uploadBundle({
    path,
    target: await parseUploadTarget(word, path),
    ...(words.uploadHeaders === undefined ? {} : { headers: readHeadersFile(words.uploadHeaders) }),
    ...(words.ca === undefined ? {} : { tls: { ca: words.ca } }),
    onProgress: bar === undefined ? loggedNowAndThen(log) : (done, total) => bar.show(done, total, path),
    note: (text) => log.warning(text),
    signal,
  });
  await sent.finally(() => bar?.hide()).catch((error) => {
    if (!signal.aborted) throw error;
    log.warning(errorText(error));
  });
}

/** Says how far an upload is, every 1.5 s at the most. */
function loggedNowAndThen(log: Log): (done: number, total: number) => void {
  let toldMs = performance.now();
  return (done, total) => {
    if (done === 0 || performance.now() - toldMs < 1_500) return;
    toldMs = performance.now();
    log.info(`uploaded ${formatSize(done)} of ${formatSize(total)}`);
  };
}

function formatOf(words: DumpWords, mode: UploadMode | undefined): "age" | "k3s" | "plain" | undefined {
  if (!words.encrypt) {
    if (words.format !== undefined && words.format !== "plain") {
      throw new UsageError(`--no-encrypt and --format ${words.format} exclude each other`);
    }
    return "plain";
  }
  if (words.format !== undefined) return oneOf("--format", words.format, ["age", "k3s", "plain"] as const);
  return mode === undefined ? undefined : "k3s";
}

async function ageKeys(words: DumpWords, config: DumpConfig | undefined): Promise<Seal | undefined> {
  const { passphrase, passphraseFile, passphraseEnv } = words;
  const ways = [passphrase, passphraseFile, passphraseEnv].filter((one) => one !== undefined && one !== false);
  const own = [...words.recipient ?? [], ...(words.recipientsFile ?? []).flatMap(readRecipientsFile)];
  if (ways.length > 1 || (ways.length > 0 && own.length > 0)) {
    throw new UsageError("recipients and passphrases exclude each other\nTry: one of --recipient, -R, --passphrase…");
  }
  if (passphraseFile !== undefined) {
    return ageSeal({ passphrase: await readSecret({ from: "file", path: passphraseFile }) });
  }
  if (passphraseEnv !== undefined) {
    return ageSeal({ passphrase: await readSecret({ from: "environment", name: passphraseEnv }) });
  }
  if (passphrase === true) {
    return ageSeal({ passphrase: await readSecret({ from: "terminal", prompt: "Passphrase: ", twice: true }) });
  }
  const recipients = own.length > 0 ? own : config?.recipients ?? [];
  return recipients.length === 0 ? undefined : ageSeal({ recipients });
}

function uploadWord(
  words: DumpWords,
  config: DumpConfig | undefined,
  mode: UploadMode | undefined,
  form: K3sForm | undefined,
): string | undefined {
  if (typeof words.upload === "string") return words.upload;
  if (words.upload === true) {
    const word = config?.upload ?? form?.uploadUrl;
    if (word === undefined) throw new UsageError("--upload: where to?\nTry: --upload https://host/folder/");
    return word;
  }
  return mode === undefined || mode === "gather" ? undefined : config?.upload ?? form?.uploadUrl;
}

/** Only the k3s form has secrets to go along. */
function withoutSecrets(ask: UploadTalk["confirm"]): UploadTalk["confirm"] {
  return (question, byDefault) => /metadata/.test(question) ? Promise.resolve(byDefault) : ask(question, byDefault);
}
