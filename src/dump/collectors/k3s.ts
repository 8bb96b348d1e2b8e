/**
 * What k3s's own script (contrib/util/diagnostics.sh) gathers, with its names, so that whoever knows its archives finds
 * everything where it was; and a k3s node in our own layout.
 *
 * ```text
 *   system/df-h.txt  system/df-h.cmd.txt  system/df-h.err.txt  system/_etc_os-release  kube/_var_log_pods/…
 * ```
 */
import type { Artifact, Collector, CommandSpec, DumpContext } from "../collector.ts";
import { collector, commandArtifacts, commandLine, fileArtifacts, textArtifact } from "./define.ts";
import { noteFailure, readChunks } from "./files.ts";
import { findLogs } from "./log_folder.ts";
import { textOfCommand } from "./define.ts";

/** One step of the script: a command, or something copied. */
export type K3sStep =
  | { readonly folder: K3sFolder; readonly command: readonly [program: string, ...args: string[]] }
  | { readonly folder: K3sFolder; readonly copy: string };

/** The folders of the script; `k3s` is called like the program (`DIAGPROG`). */
export type K3sFolder = "system" | "program" | "kube";

/** The list of the script, in its order. `PROGRAM` stands for k3s or what `DIAGPROG` says. */
export const k3sSteps: readonly K3sStep[] = [
  { folder: "system", copy: "/etc/os-release" },
  { folder: "system", command: ["sysctl", "-a"] },
  { folder: "system", command: ["uname", "-a"] },
  { folder: "system", command: ["ps", "uax"] },
  { folder: "system", command: ["dmesg"] },
  { folder: "system", command: ["id"] },
  { folder: "system", command: ["mount"] },
  { folder: "system", command: ["df", "-h"] },
  { folder: "system", command: ["ifconfig", "-a"] },
  { folder: "system", command: ["netstat", "-ln"] },
  { folder: "system", command: ["netstat", "-nr"] },
  { folder: "system", command: ["lsof", "-n", "-P", "-p", "PID"] },
  { folder: "system", command: ["iptables", "-L"] },
  { folder: "system", command: ["iptables", "-S"] },
  { folder: "system", command: ["hostname", "-f"] },
  { folder: "program", command: ["PROGRAM", "--version"] },
  { folder: "program", command: ["PROGRAM", "check-config"] },
  { folder: "program", copy: "/var/log/PROGRAM*.log" },
  { folder: "program", command: ["journalctl", "--unit", "UNIT", "--no-pager"] },
  { folder: "program", copy: "/var/lib/rancher/PROGRAM/agent/containerd/containerd.log" },
  { folder: "kube", copy: "/var/log/pods" },
  { folder: "kube", command: ["kubectl", "version"] },
  { folder: "kube", command: ["kubectl", "config", "get-contexts"] },
  { folder: "kube", command: ["kubectl", "config", "current-context"] },
  { folder: "kube", command: ["kubectl", "cluster-info", "dump"] },
  { folder: "kube", command: ["kubectl", "get", "namespaces"] },
  { folder: "kube", command: ["kubectl", "get", "nodes"] },
  { folder: "kube", command: ["kubectl", "describe", "nodes"] },
  ...["pods", "services", "daemonset", "deployments", "replicaset"].map((kind): K3sStep => ({
    folder: "kube",
    command: ["kubectl", "describe", kind, "--all-namespaces"],
  })),
  { folder: "kube", command: ["kubectl", "describe", "storageclass,pv,pvc"] },
];

/** The script's name of a command's files: every `-` removed, then `-` for spaces and `_` for slashes. */
export function k3sCommandName(words: readonly string[]): string {
  return words.join(" ").replaceAll("-", "").replaceAll(" ", "-").replaceAll("/", "_");
}

/** The script's name of a copied path: `/etc/os-release` → `_etc_os-release`. */
export function k3sCopyName(path: string): string {
  return path.replaceAll("/", "_");
}

/** The script's three groups as collectors, for `--format k3s` and its modes; they replace the usual table. */
export function k3sScriptCollectors(program = "k3s"): readonly Collector[] {
  return (["system", "program", "kube"] as const).map((folder) => {
    const name = folder === "program" ? program : folder;
    const steps = k3sSteps.filter((step) => step.folder === folder);
    return collector({
      id: `script/${name}`,
      summary: `what the diagnostics script of k3s gathers below ${name}/`,
      optional: true,
      timeoutMs: 120_000,
      plan: () =>
        steps.map((step) => "copy" in step ? `copy ${step.copy}` : `run ${commandLine(specOf(step.command))}`)
          .map((line) => line.replaceAll("PROGRAM", program)),
      async *collect(context): AsyncIterable<Artifact> {
        for (const step of steps) {
          if ("copy" in step) yield* copied(context, name, step.copy.replaceAll("PROGRAM", program));
          else for (const words of await filledIn(context, step.command, program)) yield* ran(context, name, words);
        }
      },
    });
  });
}

/** The node itself: version, settings, logs of a k3s that may be down. */
export const k3sCollector: Collector = collector({
  id: "k3s/node",
  summary: "k3s: version, check-config, configuration, its logs and containerd's",
  optional: true,
  timeoutMs: 60_000,
  skips: (machine) => machine.kinds.has("k3s") ? undefined : "no k3s",
  plan:
    () => ["run k3s --version", "run k3s check-config", "read /etc/rancher/k3s/**", "read k3s*.log, containerd.log"],
  async *collect(context): AsyncIterable<Artifact> {
    yield* fileArtifacts(context, [
      { from: "/etc/rancher/k3s/config.yaml", to: "k3s/config.yaml", kind: "yaml" },
      { from: "/etc/rancher/k3s/registries.yaml", to: "k3s/registries.yaml", kind: "yaml" },
      { from: "/var/lib/rancher/k3s/agent/etc/containerd/config.toml", to: "k3s/containerd-config.toml" },
    ]);
    const logs = "/var/lib/rancher/k3s/agent/containerd/containerd.log";
    yield* copied(context, "k3s", logs);
    const timeoutMs = 15_000;
    yield* commandArtifacts(context, [
      { program: "k3s", args: ["--version"], to: "k3s/version.txt", timeoutMs },
      { program: "k3s", args: ["check-config"], to: "k3s/check-config.txt", timeoutMs, fineCodes: [1] },
      { program: "k3s", args: ["crictl", "ps", "-a"], to: "k3s/crictl-ps.txt", timeoutMs },
      { program: "k3s", args: ["crictl", "pods"], to: "k3s/crictl-pods.txt", timeoutMs },
      { program: "k3s", args: ["etcd-snapshot", "ls"], to: "k3s/etcd-snapshots.txt", timeoutMs, fineCodes: [1] },
    ]);
  },
});

/** `lsof` for each process, `journalctl` for each unit of the program; others as they are. */
async function filledIn(
  context: DumpContext,
  words: readonly string[],
  program: string,
): Promise<readonly (readonly string[])[]> {
  const named = words.map((word) => word === "PROGRAM" ? program : word);
  if (words.includes("PID")) {
    const pid = (await quietly(context, "pgrep", ["-o", program])).split("\n")[0]!.trim();
    return pid === "" ? [] : [named.map((word) => word === "PID" ? pid : word)];
  }
  if (!words.includes("UNIT")) return [named];
  const units = (await quietly(context, "journalctl", ["--field", "_SYSTEMD_UNIT"])).split("\n");
  return units.filter((unit) => unit.includes(program)).map((unit) =>
    named.map((word) => word === "UNIT" ? unit.trim() : word)
  );
}

async function quietly(context: DumpContext, program: string, args: readonly string[]): Promise<string> {
  if (!context.machine.live || context.machine.which(program) === undefined) return "";
  const command = { program, args, to: "script", timeoutMs: 5_000, fineCodes: [1] };
  return await textOfCommand(context, command) ?? "";
}

function specOf(words: readonly string[]): CommandSpec {
  return { program: words[0]!, args: words.slice(1), timeoutMs: 60_000 };
}

/** `NAME.cmd.txt`, then `NAME.txt` and `NAME.err.txt` unless they are empty. */
async function* ran(context: DumpContext, folder: string, words: readonly string[]): AsyncIterable<Artifact> {
  const path = `${folder}/${k3sCommandName(words)}`;
  const origin = commandLine(specOf(words));
  yield textArtifact(`${path}.cmd.txt`, origin, `${words.join(" ")}\n`);
  const { stdout, outcome } = context.run(specOf(words));
  const chunks = stdout[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (first.done !== true) {
    yield { path: `${path}.txt`, kind: "text", origin, content: continued(first.value, chunks) };
  }
  const { state, stderr } = await outcome;
  if (stderr !== "") yield textArtifact(`${path}.err.txt`, origin, stderr);
  if (state !== "ok") {
    context.note({ about: `${path}.txt`, state, text: `Cannot run "${origin}": ${state}`, stderr });
  }
}

async function* continued(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  yield first;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

/** A file, the files of a pattern in one folder, or a whole folder. */
async function* copied(context: DumpContext, folder: string, path: string): AsyncIterable<Artifact> {
  const base = path.includes("*") ? path.slice(0, path.lastIndexOf("/")) : path;
  const pattern = new RegExp(`^${path.replaceAll(/[.+]/g, "\\$&").replaceAll("*", "[^/]*")}(/|$)`);
  const info = await Deno.stat(context.machine.locate(base)).catch(() => undefined);
  if (info === undefined) return;
  if (!info.isDirectory) {
    return yield* fileArtifacts(context, [{
      from: path,
      to: `${folder}/${k3sCopyName(path)}`,
      kind: path.endsWith(".log") ? "log" : "text",
      maxBytes: 64 * 2 ** 20,
    }]);
  }
  for (const file of (await findLogs(context, [base])).files.filter(({ name }) => pattern.test(name))) {
    // The script copies folders as they are below the name of the folder.
    const to = path.includes("*") ? k3sCopyName(file.name) : k3sCopyName(path) + file.name.slice(path.length);
    const range = { maxBytes: Math.min(file.sizeBytes, 256 * 2 ** 20), signal: context.signal };
    yield { path: `${folder}/${to}`, kind: "log", origin: file.name, content: readNoted(context, file.path, range) };
  }
}

async function* readNoted(
  context: DumpContext,
  path: string,
  range: { maxBytes: number; signal: AbortSignal },
): AsyncIterable<Uint8Array> {
  try {
    yield* readChunks(path, range);
  } catch (error) {
    context.signal.throwIfAborted();
    noteFailure(context, path, error);
  }
}
