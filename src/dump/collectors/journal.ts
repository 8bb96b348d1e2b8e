/** The systemd journal as text and as JSON, unit by unit, each with the unit's files. */
import type { Artifact, Collector, DumpContext, DumpProfile } from "../collector.ts";
import {
  collector,
  type CommandArtifact,
  commandArtifact,
  fileArtifacts,
  noteMissingProgram,
  textOfCommand,
} from "./define.ts";
import { readableFields } from "./journal_json.ts";
import { namesIn } from "./files.ts";

/** The journal. @param units names of units to take in any case; patterns of systemd are fine */
export function journalCollector(units: readonly string[]): Collector {
  return collector({
    id: "systemd/journal",
    summary: "journal as text and JSON per unit, with the files of the unit",
    timeoutMs: 120_000,
    skips: (machine) =>
      machine.init === "systemd" || machine.which("journalctl") !== undefined ? undefined : "no systemd",
    plan: () => [
      "run journalctl --unit U --output short-iso-precise",
      "run journalctl --unit U --output json",
      "read unit files",
    ],
    async *collect(context): AsyncIterable<Artifact> {
      if (!context.machine.live || context.machine.which("journalctl") === undefined) {
        yield* unitFiles(context, units);
        return noteMissingProgram(context, "systemd/journal", "journalctl");
      }
      yield journalArtifact(context, [], "systemd/journal/kernel-and-all.log", "short-iso-precise");
      if (context.profile === "complete") {
        yield journalArtifact(context, [], "systemd/journal/kernel-and-all.json", "json");
      }
      const chosen = await chosenUnits(context, units);
      for (const unit of chosen) {
        const folder = `systemd/${unit}`;
        yield journalArtifact(context, ["--unit", unit], `${folder}/log.txt`, "short-iso-precise");
        yield journalArtifact(context, ["--unit", unit], `${folder}/log.json`, "json");
      }
      yield* unitFiles(context, chosen);
    },
  });
}

/** Records per question: the newest ones. */
const mostRecords: Readonly<Record<DumpProfile, number>> = { speed: 2_000, size: 5_000, complete: 200_000 };
const mostUnits: Readonly<Record<DumpProfile, number>> = { speed: 8, size: 40, complete: 400 };

function journalArtifact(context: DumpContext, select: readonly string[], to: string, output: string): Artifact {
  const { since, until } = context;
  const seconds = (time: Date): string => `@${(time.getTime() / 1_000).toFixed(3)}`;
  const command: CommandArtifact = {
    program: "journalctl",
    args: [
      "--no-pager",
      "--quiet",
      ...select,
      "--output",
      output,
      "--lines",
      String(mostRecords[context.profile]),
      ...(since === undefined ? [] : ["--since", seconds(since)]),
      ...(until === undefined ? [] : ["--until", seconds(until)]),
    ],
    to,
    kind: "log",
    timeoutMs: 30_000,
    fineCodes: [1], // no entries
  };
  const artifact = commandArtifact(context, command);
  return output === "json" ? { ...artifact, content: readableFields(artifact.content) } : artifact;
}

/** The asked ones, the failed ones, and as many others as the profile has room for. */
async function chosenUnits(context: DumpContext, units: readonly string[]): Promise<readonly string[]> {
  const ask = async (program: string, args: readonly string[]): Promise<readonly string[]> => {
    if (context.machine.which(program) === undefined) return [];
    const text = await textOfCommand(context, {
      program,
      args,
      to: "systemd/journal",
      timeoutMs: 5_000,
      fineCodes: [1],
    });
    return (text ?? "").split("\n").map((line) => line.trim()).filter((line) => /^[\w@.\\:-]+\.\w+/.test(line));
  };
  const failed = await ask("systemctl", ["list-units", "--failed", "--plain", "--no-legend", "--no-pager"]);
  const logged = await ask("journalctl", ["--no-pager", "--quiet", "--field", "_SYSTEMD_UNIT"]);
  const important = logged.filter((unit) =>
    /^(k3s|rke2|kubelet|containerd|docker|agent|chrony|systemd-timesyncd|NetworkManager|systemd-networkd|rsyslog|sshd?)/
      .test(unit)
  );
  // A session of a user is no service: there may be thousands, and all are in the whole journal.
  const others = logged.filter((unit) => unit.endsWith(".service"));
  const names = [...units, ...failed.map((line) => line.split(/\s+/)[0]!), ...important, ...others];
  return [...new Set(names)].slice(0, Math.max(units.length, mostUnits[context.profile]));
}

/** Files of units in the order in which systemd prefers them, with drop-ins and timers; read, so that no systemd is needed. */
async function* unitFiles(context: DumpContext, units: readonly string[]): AsyncIterable<Artifact> {
  for (const unit of units) {
    const name = /\.\w+$/.test(unit) ? unit : `${unit}.service`;
    // `getty@tty1.service` is made of `getty@.service`.
    const template = name.replace(/@[^.]+\./, "@.");
    const names = new Set([
      name,
      template,
      name.replace(/\.service$/, ".timer"),
      name.replace(/\.service$/, ".socket"),
    ]);
    for (const folder of unitFolders) {
      for (const one of names) {
        const to = `systemd/${name}/${folder.slice(1).replaceAll("/", "_")}`;
        yield* fileArtifacts(context, [{ from: `${folder}/${one}`, to: `${to}_${one}` }]);
        const dropIns = await namesIn(context, `${folder}/${one}.d`, 100);
        const specs = dropIns.map((file) => ({ from: `${folder}/${one}.d/${file}`, to: `${to}_${one}.d/${file}` }));
        yield* fileArtifacts(context, specs);
      }
    }
  }
}

const unitFolders = ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
