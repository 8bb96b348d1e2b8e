/** The actions of `agent cert`: a table, and what each does. */
import type { Command } from "commander";
import { join } from "node:path";
import { decodeCertificates, titleOf } from "../cert/certificate.ts";
import {
  enrol,
  type EnrolmentOptions,
  type EnrolmentResult,
  installAnswer,
  makeRequest,
  readAnchors,
} from "../cert/enrolment.ts";
import { ClockError } from "../cert/errors.ts";
import { runHook } from "../cert/hook.ts";
import { decodeAnyForm } from "../cert/pem.ts";
import { decodeCertsOnly } from "../cert/pkcs7.ts";
import { watchCertificate } from "../cert/renewal.ts";
import { formatMetrics, formatStatus, readStatus } from "../cert/status.ts";
import { CertificateStore } from "../cert/store.ts";
import { isoSeconds } from "../cert/verify.ts";
import { parseHostPort } from "../config/address.ts";
import type { CertificateConfig } from "../config/config.ts";
import { parseDurationMs } from "../formats/duration.ts";
import { pause } from "../pipeline/backoff.ts";
import { errorText, failure, UsageError } from "../pipeline/errors.ts";
import { writeFileAtomic } from "../system/atomic_file.ts";
import { openLog } from "../system/log.ts";
import { enrolmentOptions, type EnrolmentWords, wordsOfConfig } from "./certificate.ts";
import type { CommandContext } from "./context.ts";
import { collectValues } from "./options.ts";
import { usage } from "./words.ts";

/** What the command line says. */
export interface CertWords extends EnrolmentWords {
  readonly dir?: string;
  readonly config?: string;
  readonly force?: boolean;
  readonly exec?: string;
  readonly waitClock?: string;
  readonly probe?: readonly string[];
  readonly output?: string;
  readonly json?: boolean;
  readonly metrics?: boolean;
  readonly needsRenewal?: boolean;
}

/** One action. */
export interface CertAction {
  readonly summary: string;
  /** Groups of options that it takes: names and secret of the certificate, the signing end. */
  readonly needs: readonly ("names" | "peer")[];
  /** Adds what only it takes. */
  options?(command: Command): Command;
  /** @returns the exit code */
  run(words: CertWords, args: readonly string[], context: CommandContext): Promise<number>;
}

/** The table. */
export const certActions: Readonly<Record<string, CertAction>> = {
  enroll: {
    summary: "get a certificate, unless a good one is there",
    needs: ["names", "peer"],
    options: onceOptions,
    run: (words, _args, context) => once(words, false, context),
  },
  renew: {
    summary: "renew the certificate when that is due",
    needs: ["names", "peer"],
    options: onceOptions,
    run: (words, _args, context) => once(words, true, context),
  },
  status: {
    summary: "tell what is there",
    needs: [],
    options: (command) =>
      command.option("--json", "as JSON").option("--metrics", "in the text format of Prometheus")
        .option("--needs-renewal", "say nothing; exit 0 when a renewal is due, 1 when not"),
    run: status,
  },
  csr: {
    summary: "make a key and write a request, to be signed by hand",
    needs: ["names"],
    options: (command) => command.option("--output <file>", "where to, `-` for stdout", "-"),
    run: request,
  },
  install: {
    summary: "check and install what was signed by hand",
    needs: [],
    options: (command) =>
      command.argument("<file>", "certificate with intermediates, PEM or PKCS#7; `-` for stdin")
        .requiredOption("--ca <file>", "CA certificates that it must come from")
        .option("--exec <command>", "shell command after the change"),
    run: install,
  },
  watch: {
    summary: "keep the certificate renewed, for ever",
    needs: ["names", "peer"],
    options: (command) =>
      command.option("--exec <command>", "shell command after each change (CERTFILE, KEYFILE, CAFILE are set)")
        .option("--probe <host:port>", "TLS peer that must take a new certificate; several times", collectValues),
    run: watch,
  },
};

function onceOptions(command: Command): Command {
  return command.option("--force", "even when the one there is good")
    .option("--exec <command>", "shell command after a change (CERTFILE, KEYFILE, CAFILE are set)")
    .option("--wait-clock <duration>", "how long to wait for a clock that is not set", "0s");
}

async function once(words: CertWords, renewal: boolean, context: CommandContext): Promise<number> {
  const { store, enrolment, exec } = await openBoth(words);
  if (renewal && store.current() === undefined) {
    throw new Error(`Cannot renew certificate in "${store.dir}": there is none\nTry: agent cert enroll`);
  }
  const waitMs = usage("--wait-clock", () => parseDurationMs(words.waitClock ?? "0s"));
  const result = await enrolWithClock(store, enrolment, words.force === true, waitMs, context.signal);
  const { leaf } = result.generation;
  if (!result.changed) {
    log.info(`certificate ${titleOf(leaf)} is still good; renewal is due on ${isoSeconds(result.dueMs)}`);
    return 0;
  }
  if (exec !== undefined) await hook(exec, store);
  return 0;
}

/** Waits for a clock that is not set, saying so once. */
async function enrolWithClock(
  store: CertificateStore,
  enrolment: EnrolmentOptions,
  force: boolean,
  waitMs: number,
  signal: AbortSignal,
): Promise<EnrolmentResult> {
  const endMs = performance.now() + waitMs; // not the clock that is in doubt
  for (let first = true;; first = false) {
    try {
      return await enrol(store, enrolment, force, signal);
    } catch (error) {
      if (!(error instanceof ClockError) || performance.now() >= endMs || signal.aborted) throw error;
      if (first) log.warning(`${errorText(error)}; waiting`);
      await pause(1_000, signal);
    }
  }
}

async function watch(words: CertWords, _args: readonly string[], context: CommandContext): Promise<number> {
  const { store, enrolment, exec } = await openBoth(words);
  const probes = (words.probe ?? []).map((text) => usage("--probe", () => parseHostPort(text)));
  await watchCertificate(
    { store, enrolment, probes, ...(exec === undefined ? {} : { exec }) },
    context.signal,
  );
  return 0;
}

async function status(words: CertWords, _args: readonly string[], context: CommandContext): Promise<number> {
  const store = await openStore(words);
  const facts = readStatus(store, Date.now());
  if (words.needsRenewal === true) return !facts.present || facts.needsRenewal ? 0 : 1;
  if (words.json === true) context.print(JSON.stringify(facts) + "\n");
  else context.print(words.metrics === true ? formatMetrics(facts) : formatStatus(facts));
  return facts.present && facts.ok ? 0 : 1;
}

async function request(words: CertWords, _args: readonly string[], context: CommandContext): Promise<number> {
  const store = await openStore(words);
  // A request that is carried by hand has no peer, and the protocol that puts the secret into the request.
  const options = enrolmentOptions({
    url: "https://localhost/",
    ca: "-",
    ...await configured(words),
    protocol: "certifix",
  });
  const pem = await makeRequest(store, options, context.signal);
  if (words.output === undefined || words.output === "-") context.print(pem);
  else writeFileAtomic(words.output, pem, { mode: 0o600 });
  return 0;
}

async function install(words: CertWords, args: readonly string[], context: CommandContext): Promise<number> {
  const store = await openStore(words);
  const bytes = args[0] === "-" ? await readStdin() : readInput(args[0]!);
  const text = new TextDecoder().decode(bytes);
  const answer = text.includes("-----BEGIN CERTIFICATE-----")
    ? decodeCertificates(text)
    : decodeCertsOnly(decodeAnyForm(bytes, "PKCS7", "CMS"));
  const { leaf } = await installAnswer(store, answer, readAnchors(words.ca!), Date.now(), context.signal);
  log.info(`installed certificate ${titleOf(leaf)}, good until ${isoSeconds(leaf.notAfterMs)}`);
  if (words.exec !== undefined) await hook(words.exec, store);
  return 0;
}

/** What an action that may change the certificate works with. */
interface Opened {
  readonly store: CertificateStore;
  readonly enrolment: EnrolmentOptions;
  /** Shell command after a change. */
  readonly exec: string | undefined;
}

async function openBoth(words: CertWords): Promise<Opened> {
  const whole = await configured(words);
  return { store: await openStore(words), enrolment: enrolmentOptions(whole), exec: whole.exec };
}

async function openStore(words: CertWords): Promise<CertificateStore> {
  const config = words.dir === undefined ? await readCertificateConfig(words.config) : undefined;
  return new CertificateStore(words.dir ?? config?.folder ?? join("/var/lib/agent", "cert"));
}

/** The words of the command line over those of the configuration. */
async function configured(words: CertWords): Promise<CertWords> {
  const config = await readCertificateConfig(words.config);
  if (config === undefined) return words;
  return { ...wordsOfConfig(config), ...(config.exec === undefined ? {} : { exec: config.exec }), ...words };
}

/** Loaded only when it is asked for: the schema costs time and memory. */
async function readCertificateConfig(path: string | undefined): Promise<CertificateConfig | undefined> {
  if (path === undefined) return undefined;
  const { loadConfig } = await import("../config/load.ts");
  const { certificate } = loadConfig(path);
  if (certificate === undefined) throw new UsageError(`${path}: the key certificate is missing`);
  return certificate;
}

function hook(command: string, store: CertificateStore): Promise<void> {
  return runHook(command, { cert: store.certPath, key: store.keyPath, ca: store.caPath }, 60_000);
}

function readInput(path: string): Uint8Array {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    throw failure("read", `"${path}"`, error);
  }
}

async function readStdin(): Promise<Uint8Array> {
  return new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer());
}

const log = openLog("cert");
