/**
 * Audit events to one compressed file per namespace and hour, beside what does less: `gzip` of the same bytes in one file,
 * and `awk` that splits by namespace alone, uncompressed. `deno task bench kubernetes_audit [--events N]`.
 */
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { agentCommand } from "../peers/agent.ts";
import { type AuditPlan, writeAuditEvents } from "../peers/audit_events.ts";
import { judgeSlices, perfectSlices } from "../peers/audit_slices.ts";
import { sizeBelow } from "../peers/numbered_lines.ts";
import { type Figures, MeasuredProgram } from "./measured_program.ts";
import { markdown, numbersOf, say } from "./table.ts";

/** Measures and prints. */
export async function run(words: readonly string[]): Promise<void> {
  const { events, level } = numbersOf(words, { events: 1_000_000, level: 6 });
  const folder = Deno.makeTempDirSync({ prefix: "auditbench" });
  try {
    const plan: AuditPlan = { events, hours: 5, startMs: Date.UTC(2026, 10, 20, 18) };
    const path = join(folder, "audit.log");
    using file = Deno.openSync(path, { write: true, create: true });
    writeAuditEvents(file, 0, events, plan);
    const sizeBytes = file.statSync().size;
    say(
      `${new Date().toISOString().slice(0, 16)}Z, load ${Deno.loadavg()[0]!.toFixed(2)}; ${events} events, ` +
        `${(sizeBytes / 2 ** 20).toFixed(0)} MiB\n\n`,
    );
    const rows: string[][] = [];
    const measure = async (what: string, out: string, command: string, args: readonly string[]): Promise<void> => {
      await using program = MeasuredProgram.start(command, args);
      await program.exited;
      rows.push(rowOf(what, events, program.figures, sizeBelow(out)));
    };
    await measure(`gzip -${level}, one file`, join(folder, "one.gz"), "sh", [
      "-c",
      `exec gzip -${level} -c ${path} > ${folder}/one.gz`,
    ]);
    Deno.mkdirSync(join(folder, "awk"));
    const split =
      `match($0,/"namespace":"[^"]*"/){n=substr($0,RSTART+13,RLENGTH-14)} !RSTART{n="none"} {print > (d "/" n)}`;
    await measure("awk, by namespace, not compressed", join(folder, "awk"), "awk", [
      "-v",
      `d=${folder}/awk`,
      split,
      path,
    ]);
    const config = join(folder, "agent.yaml");
    const out = join(folder, "out");
    const archive = {
      type: "file",
      dir: out,
      gzipLevel: level,
      path: "{objectRef.namespace|none}/audit-%Y%m%d%H.log.gz",
    };
    const sources = { apiserver: { type: "kubernetesAudit", include: [path] } };
    Deno.writeTextFileSync(config, JSON.stringify({ state: join(folder, "state"), sources, sinks: { archive } }));
    const { command, args } = agentCommand(["ship", "--config", config, "--once"]);
    await measure(`agent, by namespace and hour, level ${level}, redacted, fsync`, out, command, args);
    say(markdown(["what", "events/s", "seconds", "CPU s", "peak MiB", "MiB on disk"], rows));
    const verdict = judgeSlices(out, plan);
    const right = isDeepStrictEqual(verdict, perfectSlices(plan));
    say(`\n${JSON.stringify(verdict)}: ${right ? "every event once, in its place" : "WRONG"}\n`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function rowOf(what: string, events: number, { seconds, cpuSeconds, peakMiB }: Figures, outBytes: number): string[] {
  const figures = [events / seconds, seconds, cpuSeconds, peakMiB, outBytes / 2 ** 20];
  return [what, ...figures.map((figure, i) => figure.toFixed(i === 0 || i === 3 ? 0 : 1))];
}
