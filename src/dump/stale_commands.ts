/**
 * Commands of a dump that was killed with SIGKILL: nobody ended them, and one that hangs hangs on. Each command carries in
 * its environment which process started it, its children inherit that, and the next dump ends those whose starter is gone.
 */

/** Name of the variable. */
export const ownerVariable = "AGENT_DUMP_OWNER";

/** What commands of this process carry: process id, its start (a number is used again), and whose numbers these are. */
export function ownerMark(): string {
  return `${Deno.pid}-${startOf(Deno.pid) ?? 0}-${pidNamespace() ?? "unknown"}`;
}

/** Ends what dumps that are gone have left behind, as far as it is ours to end. Returns how many processes. Never throws. */
export function endStaleCommands(): number {
  const numbers = pidNamespace();
  if (numbers === undefined) return 0;
  let ended = 0;
  for (const pid of processes()) {
    const mark = markOf(pid);
    const [, owner, start, whose] = /^(\d+)-(\d+)-(.+)$/.exec(mark ?? "") ?? [];
    // In a container, the same number is another process; it looks after its own.
    if (owner === undefined || whose !== numbers || startOf(Number(owner)) === Number(start)) continue;
    try {
      Deno.kill(pid, "SIGKILL");
      ended++;
    } catch {
      // It has ended meanwhile, or it is somebody else's.
    }
  }
  return ended;
}

function processes(): readonly number[] {
  try {
    return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => pid > 1 && pid !== Deno.pid);
  } catch {
    return [];
  }
}

/** The environment of a process of another user cannot be read: it is none of ours then. */
function markOf(pid: number): string | undefined {
  const text = textOf(`/proc/${pid}/environ`);
  if (!text?.includes(ownerVariable)) return undefined;
  return text.split("\0").find((one) => one.startsWith(`${ownerVariable}=`))?.slice(ownerVariable.length + 1);
}

/** When a process started, in clock ticks since the boot (proc(5), field 22 of stat); undefined: there is none, or it has ended. */
function startOf(pid: number): number | undefined {
  const stat = textOf(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields === undefined || fields[0] === "Z" ? undefined : Number(fields[19]);
}

function pidNamespace(): string | undefined {
  try {
    return Deno.readLinkSync("/proc/self/ns/pid");
  } catch {
    return undefined;
  }
}

function textOf(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
