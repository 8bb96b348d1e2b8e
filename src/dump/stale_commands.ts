/**
 * Commands of a dump that was killed with SIGKILL: nobody ended them, and one that hangs hangs on. Each command carries in
 * its environment which process started it, its children inherit that, and the next dump ends those whose starter is gone.
 */
import { abortable } from "./collectors/files.ts";

/** Name of the variable. */
export const ownerVariable = "AGENT_DUMP_OWNER";

/** What commands of this process carry: process id, its start (a number is used again), and whose numbers these are. */
export function ownerMark(): string {
  return `${Deno.pid}-${startOf(Deno.pid) ?? 0}-${pidNamespace() ?? "unknown"}`;
}

/** Ends what dumps that are gone have left behind, as far as it is ours to end. Returns how many processes. Never throws. */
export async function endStaleCommands(): Promise<number> {
  const numbers = pidNamespace();
  if (numbers === undefined) return 0;
  return await endMarked((mark) => {
    const [, owner, start, whose] = /^(\d+)-(\d+)-(.+)$/.exec(mark) ?? [];
    // In a container, the same number is another process; it looks after its own.
    return owner !== undefined && whose === numbers && startOf(Number(owner)) !== Number(start);
  });
}

/** Ends what commands of this process have left behind: a `setsid` takes a child out of the group that is killed. Never throws. */
export async function endOwnCommands(): Promise<number> {
  if (pidNamespace() === undefined) return 0;
  const own = ownerMark();
  return await endMarked((mark) => mark === own);
}

/** Kills the processes whose mark is meant; those that do not let themselves be looked at within a moment stay. */
async function endMarked(isMeant: (mark: string) => boolean): Promise<number> {
  const late = AbortSignal.timeout(maxLookMs);
  const ended = await Promise.all(
    processes().map(async (pid) => {
      const mark = await markOf(pid, late);
      if (mark === undefined || !isMeant(mark)) return 0;
      try {
        Deno.kill(pid, "SIGKILL");
        return 1;
      } catch {
        return 0; // it has ended meanwhile, or it is somebody else's
      }
    }),
  );
  return ended.reduce<number>((sum, one) => sum + one, 0);
}

function processes(): readonly number[] {
  try {
    return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => pid > 1 && pid !== Deno.pid);
  } catch {
    return [];
  }
}

/**
 * The environment of a process of another user cannot be read: it is none of ours then. That of a process that waits for a
 * dead disk may not be readable for hours.
 */
async function markOf(pid: number, late: AbortSignal): Promise<string | undefined> {
  const text = await abortable(Deno.readTextFile(`/proc/${pid}/environ`), late).catch(() => undefined);
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

const maxLookMs = 2_000;
