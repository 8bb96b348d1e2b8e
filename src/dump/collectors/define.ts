/** What collectors are made with: defaults of a collector, and artifacts of texts, files and commands. */
import type { Artifact, ArtifactKind, Collector, CommandSpec, DumpContext, DumpProfile } from "../collector.ts";
import type { Machine } from "../machine.ts";
import { FileError, noteFailure, readSmall } from "./files.ts";

/** A collector with what is usual left out. */
export interface Definition extends Pick<Collector, "id" | "summary" | "collect"> {
  /** Default: all. */
  readonly profiles?: readonly DumpProfile[];
  /** Default: false. */
  readonly optional?: boolean;
  /** Default: 10 s. */
  readonly timeoutMs?: number;
  /** Why there is nothing for it here; default: there always is. */
  skips?(machine: Machine): string | undefined | Promise<string | undefined>;
  plan(machine: Machine): readonly string[];
}

/** Fills the defaults in. */
export function collector(definition: Definition): Collector {
  return {
    profiles: allProfiles,
    optional: false,
    timeoutMs: 10_000,
    ...definition,
    skips: async (machine) => await definition.skips?.(machine),
  };
}

/** An artifact of a text that is at hand. */
export function textArtifact(path: string, origin: string, text: string, kind: ArtifactKind = "text"): Artifact {
  return { path, kind, origin, content: once(encoder.encode(text)) };
}

/** What a file artifact is made of. */
export interface FileSpec {
  /** Absolute, as on that machine. */
  readonly from: string;
  /** In the bundle. */
  readonly to: string;
  readonly kind?: ArtifactKind;
  /** Default 1 MiB; the rest is left out. */
  readonly maxBytes?: number;
  /** Whether its absence is worth a note. */
  readonly required?: boolean;
  /** Whether the dump is whole where only root may read it: details of the kernel. */
  readonly isExtra?: boolean;
}

/** The small files that are there, each an artifact; what cannot be read is noted. */
export async function* fileArtifacts(context: DumpContext, specs: readonly FileSpec[]): AsyncIterable<Artifact> {
  for (const { from, to, kind, maxBytes, required, isExtra } of specs) {
    try {
      const bytes = await readSmall(context.machine.locate(from), context.signal, maxBytes);
      yield { path: to, kind: kind ?? "text", origin: from, content: once(bytes) };
    } catch (error) {
      if (context.signal.aborted) throw error;
      const isMissing = error instanceof FileError && error.state === "missing";
      if (required === true || !isMissing) noteFailure(context, to, error, isExtra);
    }
  }
}

/** Several small files as one text, each below `==> path <==`; undefined when none of them is there. */
export async function joinedFiles(
  context: DumpContext,
  to: string,
  paths: readonly string[],
): Promise<Artifact | undefined> {
  const parts: string[] = [];
  for (const path of paths) {
    try {
      const text = decoder.decode(await readSmall(context.machine.locate(path), context.signal, 262_144));
      parts.push(`==> ${path} <==\n${text}${text.endsWith("\n") || text === "" ? "" : "\n"}`);
    } catch (error) {
      if (context.signal.aborted) throw error;
      if (!(error instanceof FileError) || error.state !== "missing") noteFailure(context, `${to} (${path})`, error);
    }
  }
  return parts.length === 0 ? undefined : textArtifact(to, paths.join(" "), parts.join("\n"));
}

/** A command and where its output goes. */
export interface CommandArtifact extends CommandSpec {
  readonly to: string;
  readonly kind?: ArtifactKind;
  /** Whether a program that is missing is worth a note; default: no, it is an extra. */
  readonly required?: boolean;
  /** Whether an exit code is no news; a deadline always is. */
  readonly isQuiet?: boolean;
  /** Exit codes besides 0 that mean success. */
  readonly fineCodes?: readonly number[];
}

/** The output of a command that is started when the content is read. How it ended is noted unless it ended well. */
export function commandArtifact(context: DumpContext, command: CommandArtifact): Artifact {
  return {
    path: command.to,
    kind: command.kind ?? "text",
    origin: commandLine(command),
    content: outputOf(context, command),
  };
}

/** The commands of the list whose programs are here, each an artifact. */
export async function* commandArtifacts(
  context: DumpContext,
  commands: readonly CommandArtifact[],
): AsyncIterable<Artifact> {
  for (const command of commands) {
    if (context.signal.aborted) return;
    if (context.machine.live && context.machine.which(command.program) !== undefined) {
      yield commandArtifact(context, command);
    } else if (command.required === true) noteMissingProgram(context, command.to, command.program);
    await Promise.resolve();
  }
}

/** Says that a program is needed and is not here, or may not be run. */
export function noteMissingProgram(context: DumpContext, about: string, program: string): void {
  const state = context.machine.live ? "it is not installed" : "nothing is run for a machine that is only looked at";
  context.note({ about, state: "missing", text: `Cannot run "${program}": ${state}` });
}

/** Output of a command as text, at most `maxBytes` of it; undefined, and noted under `to`, unless it ended well. */
export async function textOfCommand(
  context: DumpContext,
  command: CommandArtifact,
  maxBytes = 8_388_608,
): Promise<string | undefined> {
  const text = new TextDecoder();
  let out = "";
  const { stdout, outcome } = context.run(command);
  for await (const chunk of stdout) if (out.length < maxBytes) out += text.decode(chunk, { stream: true });
  const ended = await outcome;
  if (ended.state === "ok") return out;
  noteOutcome(context, command, ended);
  return undefined;
}

/** `kubectl get nodes`, for people and the report. */
export function commandLine({ program, args }: CommandSpec): string {
  return [program, ...args].map((word) => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`).join(" ");
}

/** One chunk as a stream. */
export async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  if (bytes.length > 0) yield await Promise.resolve(bytes);
}

/** Every profile. */
export const allProfiles: readonly DumpProfile[] = ["speed", "complete", "size"];

/** Rows as columns that are as wide as needed, two spaces apart; the last column is not padded. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.min(60, Math.max(...rows.map((row) => row[i]?.length ?? 0))));
  return rows.map((row) =>
    row.map((cell, i) => i === row.length - 1 ? cell : cell.padEnd(widths[i]!)).join("  ").trimEnd() + "\n"
  ).join("");
}

async function* outputOf(context: DumpContext, command: CommandArtifact): AsyncIterable<Uint8Array> {
  const { stdout, outcome } = context.run(command);
  yield* stdout;
  noteOutcome(context, command, await outcome);
}

function noteOutcome(
  context: DumpContext,
  command: CommandArtifact,
  ended: { state: string; exitCode?: number; signal?: string; stderr: string },
): void {
  const isFine = ended.state === "ok" || (command.isQuiet === true && ended.state === "error") ||
    (ended.exitCode !== undefined && command.fineCodes?.includes(ended.exitCode) === true);
  if (isFine) return;
  const how = ended.signal === undefined
    ? (ended.exitCode === undefined ? ended.state : `exit code ${ended.exitCode}`)
    : `ended by ${ended.signal}`;
  const denied = /permission denied|operation not permitted|must be root|are you root/i.test(ended.stderr);
  const state = ended.state === "timeout" || ended.state === "missing" || ended.state === "denied"
    ? ended.state
    : denied
    ? "denied"
    : "error";
  const hint = state === "denied"
    ? "\nTry: run it as root"
    : state === "timeout"
    ? "\nTry: a longer time for it; what it had printed is kept"
    : "";
  context.note({
    about: command.to,
    state,
    text: `Cannot run "${commandLine(command)}": ${state === "timeout" ? "not done in time" : how}${hint}`,
    ...(ended.stderr === "" ? {} : { stderr: ended.stderr }),
  });
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();
