/** A control group with little memory and little of a processor, as small machines have them; cgroup v1 and v2. */
import { join } from "node:path";

/** Limits of a group. */
export interface Limits {
  /** The page cache counts. */
  readonly memoryBytes: number;
  /** Percent of one core. */
  readonly cpuPercent: number;
}

/** A group. Dispose it after its processes have ended. */
export interface ControlGroup extends Disposable {
  /** Words before a command, so that the command and all that it starts are in the group. */
  readonly enter: readonly string[];
}

/** Whether groups can be made here: as root, where memory and cpu are given to groups. */
export function hasControlGroups(): boolean {
  return Deno.uid() === 0 && hierarchies() !== undefined;
}

/** Makes a group. @throws where none can be made */
export function openControlGroup({ memoryBytes, cpuPercent }: Limits): ControlGroup {
  const found = hierarchies();
  if (found === undefined) throw new Error("Cannot limit memory: no control groups here");
  const name = `agent-test-${Deno.pid}-${crypto.randomUUID().slice(0, 8)}`;
  const folders = [...new Set([found.memory, found.cpu])].map((folder) => join(folder, name));
  for (const folder of folders) Deno.mkdirSync(folder);
  const set = (hierarchy: string, key: string, value: string): void =>
    Deno.writeTextFileSync(join(hierarchy, name, key), value);
  const quotaUs = Math.round(periodUs * cpuPercent / 100);
  if (found.version === 1) {
    set(found.memory, "memory.limit_in_bytes", `${memoryBytes}`);
    set(found.cpu, "cpu.cfs_period_us", `${periodUs}`);
    set(found.cpu, "cpu.cfs_quota_us", `${quotaUs}`);
  } else {
    set(found.memory, "memory.max", `${memoryBytes}`);
    set(found.cpu, "cpu.max", `${quotaUs} ${periodUs}`);
  }
  const joins = folders.map((folder) => `echo $$ >${folder}/cgroup.procs`).join("; ");
  return {
    enter: ["sh", "-c", `${joins}; exec "$@"`, "sh"],
    [Symbol.dispose](): void {
      for (const folder of folders) Deno.removeSync(folder);
    },
  };
}

function hierarchies(): { version: 1 | 2; memory: string; cpu: string } | undefined {
  const [v1, v2] = [
    { version: 1, memory: `${root}/memory`, cpu: `${root}/cpu` } as const,
    `${root}/cgroup.subtree_control`,
  ];
  if (exists(`${v1.memory}/memory.limit_in_bytes`) && exists(`${v1.cpu}/cpu.cfs_quota_us`, `${v1.cpu}/tasks`)) {
    return v1;
  }
  if (!exists(v2)) return undefined;
  const given = Deno.readTextFileSync(v2).trim().split(" ");
  return given.includes("memory") && given.includes("cpu") ? { version: 2, memory: root, cpu: root } : undefined;
}

/** Whether one of them is there. */
function exists(...paths: readonly string[]): boolean {
  return paths.some((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

const root = "/sys/fs/cgroup";
const periodUs = 100_000;
