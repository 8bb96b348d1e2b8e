/**
 * The audit rules of a node: brought in step with what is wanted, put back as they were, looked at. Every step may be the
 * last one before a SIGKILL: the next call goes on from there (`rules_folder.ts`).
 */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { failure } from "../pipeline/errors.ts";
import { readTextIfThere, removeIfThere, writeFileAtomic } from "../system/atomic_file.ts";
import { readBootId } from "../system/boot.ts";
import { lockFolderItself } from "../system/lock.ts";
import { type LoadOutcome, loadRules } from "./augenrules.ts";
import type { RuleFiles } from "./default_rules.ts";
import { complaintOfRules } from "./rule_text.ts";
import {
  exchangeFiles,
  exchangeFolder,
  exists,
  keepOriginal,
  readRuleFiles,
  recoverFolders,
  removeFolder,
  rulesPaths,
  sameFiles,
} from "./rules_folder.ts";

/** Which node, and how its kernel gets the rules. */
export interface NodeOptions {
  /** `/`; another one is the disk of a machine that is not running: files alone are changed. */
  readonly root: string;
  /** For the textfile collector of node_exporter; undefined: no such file. Below `root`. */
  readonly metricFile?: string;
  /** Default: augenrules. */
  readonly load?: () => Promise<LoadOutcome>;
}

/** What a call did and found. */
export interface RulesOutcome {
  /** Whether files were changed. */
  readonly changed: boolean;
  /** `unchanged`: they were loaded before. */
  readonly load: LoadOutcome["state"] | "unchanged";
  /** Why they are not loaded; empty when they are. */
  readonly text: string;
}

/** What is there. */
export interface RulesStatus {
  /** Whether the agent keeps the rules: the ones of before are put aside. */
  readonly kept: boolean;
  readonly files: readonly string[];
  /** Whether they are what the agent put there last, and what came of it. */
  readonly inStep: boolean;
  readonly loaded: boolean;
  readonly text: string;
}

/** Remembered of the last load. */
interface LoadRecord {
  readonly digest: string;
  readonly bootId: string;
  readonly state: LoadOutcome["state"];
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/**
 * Makes `wanted` the node's rules and loads them. Rules that the kernel refuses are taken back: the ones of before are put in
 * place and loaded again, and these are not tried again before they change, the machine
 * starts anew, or ten minutes are over.
 * @throws when they cannot be rules, or the disk does not take them; then nothing is changed
 */
export async function applyRules(wanted: RuleFiles, options: NodeOptions): Promise<RulesOutcome> {
  refuseWrong(wanted);
  const paths = rulesPaths(options.root);
  using _lock = lockAudit(paths.rules);
  recoverFolders(paths);
  const digest = digestOf(wanted);
  const record = readRecord(paths.record);
  const present = readRuleFiles(paths.rules);
  const isPresent = present !== undefined && sameFiles(present, wanted);
  const isKnown = record?.digest === digest && record.bootId === readBootId();
  const isResting = record?.state === "failed" && Math.abs(Date.now() - record.atMs) < failedRestMs;
  if (isKnown && (isResting || (isPresent && record.state === "loaded"))) {
    return { changed: false, load: isResting ? "failed" : "unchanged", text: record.text };
  }
  keepOriginal(paths);
  if (!isPresent) exchangeFiles(paths, wanted);
  const outcome = await load(options);
  if (outcome.state === "failed") await takeBack(paths, options);
  removeFolder(paths.old);
  writeRecord(paths.record, { digest, bootId: readBootId(), atMs: Date.now(), ...outcome });
  writeMetric(options, outcome.state === "loaded");
  return { changed: !isPresent && outcome.state !== "failed", load: outcome.state, text: outcome.text };
}

/** Puts the rules back that were there before the agent, and loads them. Nothing to put back is fine. */
export async function revertRules(options: NodeOptions): Promise<RulesOutcome> {
  const paths = rulesPaths(options.root);
  if (!exists(dirname(paths.rules))) return { changed: false, load: "unchanged", text: "" };
  using _lock = lockAudit(paths.rules);
  recoverFolders(paths);
  const hasOriginal = exists(paths.original);
  // A record without an original: a revert was killed before the kernel had the rules.
  if (!hasOriginal && !exists(paths.record)) return { changed: false, load: "unchanged", text: "" };
  if (hasOriginal) exchangeFolder(paths, paths.original);
  const outcome = await load(options);
  removeFolder(paths.old);
  removeIfThere(paths.record);
  if (options.metricFile !== undefined) removeIfThere(join(options.root, options.metricFile));
  return { changed: hasOriginal, load: outcome.state, text: outcome.text };
}

/** What is there now. Changes nothing. @param wanted compared with it, where it is known */
export function readRulesStatus(options: NodeOptions, wanted?: RuleFiles): RulesStatus {
  const paths = rulesPaths(options.root);
  const files = readRuleFiles(paths.rules) ?? {};
  const record = readRecord(paths.record);
  const kept = exists(paths.original);
  const inStep = wanted === undefined ? record?.digest === digestOf(files) : sameFiles(files, wanted);
  const isLoaded = inStep && record?.state === "loaded" && record.digest === digestOf(files) &&
    record.bootId === readBootId();
  const text = !kept
    ? "the agent does not keep the rules of this node"
    : !inStep
    ? record?.state === "failed" ? record.text : "the rules differ from what is wanted"
    : isLoaded
    ? ""
    : record?.text || "they were not loaded since the start of this machine";
  return { kept, files: Object.keys(files), inStep, loaded: isLoaded, text };
}

/** Fails closed: a folder that is half written, or no rules, changes nothing. */
function refuseWrong(wanted: RuleFiles): void {
  const hint = "correct the file; the rules that are loaded stay";
  if (Object.keys(wanted).length === 0) throw failure("use", "audit rules", "there is no *.rules file", hint);
  for (const [name, text] of Object.entries(wanted)) {
    if (!/^[A-Za-z0-9_.-]+\.rules$/.test(name)) {
      throw failure("use", `audit rules "${name}"`, "augenrules takes names of letters, digits, _ . - alone", hint);
    }
    const complaint = complaintOfRules(name, text);
    if (complaint !== undefined) throw failure("use", "audit rules", complaint, hint);
  }
}

/** The rules of before, in files and kernel: some of the new ones may be in the kernel by now. */
async function takeBack(paths: ReturnType<typeof rulesPaths>, options: NodeOptions): Promise<void> {
  if (exists(paths.old)) {
    Deno.renameSync(paths.rules, paths.fresh);
    Deno.renameSync(paths.old, paths.rules);
    removeFolder(paths.fresh);
  } else exchangeFiles(paths, readRuleFiles(paths.original) ?? {});
  await load(options);
}

async function load(options: NodeOptions): Promise<LoadOutcome> {
  if (options.load !== undefined) return await options.load();
  if (options.root !== "/") return { state: "absent", text: `"${options.root}" is not the machine that runs` };
  return await loadRules();
}

function lockAudit(rules: string): Disposable {
  const folder = dirname(rules);
  if (exists(folder)) return lockFolderItself(folder);
  throw failure("keep audit rules in", `"${rules}"`, `there is no "${folder}"`, "install auditd, or name --root");
}

function digestOf(files: RuleFiles): string {
  const hash = createHash("sha256");
  for (const name of Object.keys(files).sort()) hash.update(`${name}\0${files[name]}\0`);
  return hash.digest("hex");
}

/** Undefined where there is none, or none that can be read: then the rules are loaded once more. */
function readRecord(path: string): LoadRecord | undefined {
  try {
    const { digest, bootId, state, text, atMs } = JSON.parse(readTextIfThere(path) ?? "{}");
    return typeof digest === "string" ? { digest, bootId, state, text: String(text), atMs: Number(atMs) } : undefined;
  } catch {
    return undefined;
  }
}

function writeRecord(path: string, record: LoadRecord): void {
  writeFileAtomic(path, JSON.stringify(record) + "\n", { mode: 0o640 });
}

/** Where node_exporter's folder is, it gets the metric under Gardener's name. */
function writeMetric({ root, metricFile }: NodeOptions, isLoaded: boolean): void {
  if (metricFile === undefined) return;
  const path = join(root, metricFile);
  if (!exists(dirname(path))) return;
  writeFileAtomic(
    path,
    "# HELP rsyslog_augenrules_load_success Whether the audit rules of this node are loaded.\n" +
      "# TYPE rsyslog_augenrules_load_success gauge\n" +
      `rsyslog_augenrules_load_success ${isLoaded ? 1 : 0}\n`,
  );
}

/** Programs that failed for want of time or memory get another chance; a rule that is wrong costs little then. */
const failedRestMs = 600_000;
