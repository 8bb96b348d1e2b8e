/** Containers of Docker, Podman or a CRI runtime: what runs, what ended how, and the newest log lines of each. */
import type { Artifact, Collector, DumpContext } from "../collector.ts";
import { collector, commandArtifact, commandArtifacts, textOfCommand } from "./define.ts";

/** Containers by the first runtime that answers. */
export const containersCollector: Collector = collector({
  id: "containers/list",
  summary: "containers of Docker, Podman or containerd: states and newest logs",
  optional: true,
  timeoutMs: 60_000,
  skips: (machine) =>
    machine.live && runtimes.some((name) => machine.which(name) !== undefined) ? undefined : "no container runtime",
  plan: () => runtimes.flatMap((name) => [`run ${name} ps -a`, `run ${name} logs for each container`]),
  async *collect(context): AsyncIterable<Artifact> {
    for (const runtime of runtimes) {
      if (context.machine.which(runtime) === undefined) continue;
      const list = { program: runtime, args: ["ps", "-a"], to: `containers/${runtime}-ps.txt`, timeoutMs: 8_000 };
      const text = await textOfCommand(context, { ...list, isQuiet: true });
      if (text === undefined) continue; // the program alone, without its service
      yield* commandArtifacts(context, [list, ...extrasOf(runtime)]);
      yield* logsOf(context, runtime);
    }
  },
});

const runtimes = ["docker", "podman", "crictl"];

function extrasOf(
  runtime: string,
): { program: string; args: string[]; to: string; timeoutMs: number; isQuiet: true }[] {
  const words = runtime === "crictl" ? [["pods"], ["images"], ["info"]] : [["info"], ["images"], ["system", "df"]];
  return words.map((args) => {
    const to = `containers/${runtime}-${args.join("-")}.txt`;
    return { program: runtime, args, to, timeoutMs: 8_000, isQuiet: true };
  });
}

async function* logsOf(context: DumpContext, runtime: string): AsyncIterable<Artifact> {
  const args = runtime === "crictl" ? ["ps", "-a", "-q"] : ["ps", "-a", "--format", "{{.Names}}"];
  const names = await textOfCommand(context, { program: runtime, args, to: `containers/${runtime}`, timeoutMs: 8_000 });
  const most = context.profile === "complete" ? 500 : 30;
  const lines = context.profile === "complete" ? "100000" : "1000";
  for (
    const name of (names ?? "").split("\n").map((line) => line.trim()).filter((line) => line !== "").slice(0, most)
  ) {
    if (context.signal.aborted) return;
    const since = context.since === undefined ? [] : ["--since", context.since.toISOString()];
    const command = ["logs", "--timestamps", "--tail", lines, ...since, name];
    yield commandArtifact(context, {
      program: runtime,
      args: command,
      to: `containers/${runtime}-logs/${name}.log`,
      kind: "log",
      timeoutMs: 15_000,
    });
  }
}
