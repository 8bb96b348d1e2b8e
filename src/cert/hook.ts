/** The command that runs after a change (`--exec`): a shell's line, with a deadline, ended with everything it started. */
import { pause } from "../pipeline/backoff.ts";
import { openLog } from "../system/log.ts";

/**
 * Runs `command` with `sh -c`; the paths of the new files are in CERTFILE, KEYFILE and CAFILE. A failure is said and changes
 * nothing: the certificate is installed all the same.
 */
export async function runHook(
  command: string,
  files: { readonly cert: string; readonly key: string; readonly ca: string },
  timeoutMs: number,
): Promise<void> {
  try {
    const child = new Deno.Command("/bin/sh", {
      args: ["-c", command],
      env: { CERTFILE: files.cert, KEYFILE: files.key, CAFILE: files.ca },
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
      detached: true, // its own process group, so that what it starts can be ended with it
    }).spawn();
    const done = new AbortController();
    const late = pause(timeoutMs, done.signal).then(() => {
      if (!done.signal.aborted) endGroup(child.pid, command, timeoutMs);
    });
    const { code } = await child.status;
    done.abort();
    await late;
    if (code !== 0) log.warning(`the command after the renewal ended with ${code}: ${command}`);
  } catch (error) {
    log.warning(`Cannot run the command after the renewal "${command}": ${(error as Error).message}`);
  }
}

function endGroup(pid: number, command: string, timeoutMs: number): void {
  log.warning(`the command after the renewal is still there after ${timeoutMs} ms and is ended: ${command}`);
  try {
    Deno.kill(-pid, "SIGKILL");
  } catch {
    // It has just ended by itself.
  }
}

const log = openLog("cert");
