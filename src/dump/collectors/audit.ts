/** The audit system: its logs, its rules, and what it dropped. */
import type { Artifact, Collector } from "../collector.ts";
import { collector, commandArtifacts, fileArtifacts } from "./define.ts";
import { namesIn } from "./files.ts";
import { findLogs } from "./log_folder.ts";
import { logArtifacts } from "./logs.ts";

/** Logs and rules. */
export const auditCollector: Collector = collector({
  id: "audit/log",
  summary: "audit logs, rules, and how many events were lost",
  optional: true,
  timeoutMs: 60_000,
  skips: async (machine) => {
    const places = ["/var/log/audit", "/etc/audit"].map((path) => machine.locate(path));
    const found = await Promise.all(places.map((path) => Deno.stat(path).then(() => true, () => false)));
    return found.some((there) => there) || machine.which("auditctl") !== undefined ? undefined : "no audit system";
  },
  plan: () => ["read /var/log/audit/*", "read /etc/audit/**", "run auditctl -s", "run auditctl -l"],
  async *collect(context): AsyncIterable<Artifact> {
    yield* logArtifacts(context, await findLogs(context, ["/var/log/audit"]), "audit");
    const rules = await namesIn(context, "/etc/audit/rules.d", 200);
    yield* fileArtifacts(context, [
      { from: "/etc/audit/auditd.conf", to: "audit/auditd.conf" },
      { from: "/etc/audit/audit.rules", to: "audit/audit.rules" },
      ...rules.map((name) => ({ from: `/etc/audit/rules.d/${name}`, to: `audit/rules.d/${name}` })),
    ]);
    yield* commandArtifacts(context, [
      { program: "auditctl", args: ["-s"], to: "audit/status.txt", timeoutMs: 3_000 },
      { program: "auditctl", args: ["-l"], to: "audit/rules.txt", timeoutMs: 3_000 },
    ]);
  },
});
