/** Ports that nobody uses, on loopback. */
import { join } from "node:path";

/**
 * A TCP port of 127.0.0.1 that is free, and that no other test process is given while this one lives: not before its
 * program has bound it, and not while that is killed and started again. It lies below the range from which Linux takes the near ends of
 * connections: a server that is killed and started again finds its port free, and a client that tries it meanwhile can
 * not connect to itself.
 */
export function freePort(): number {
  for (;;) {
    const port = firstPort + crypto.getRandomValues(new Uint16Array(1))[0]! % portCount;
    if (isFree(port) && reserve(port)) return port;
  }
}

/** Whether something accepts connections there. */
export async function isListening(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

/** Whether the port is this process's from here on. */
function reserve(port: number): boolean {
  const path = join(reservations, String(port));
  Deno.mkdirSync(reservations, { recursive: true });
  try {
    Deno.writeTextFileSync(path, String(Deno.pid), { createNew: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    if (isForsaken(path)) removeIfThere(path); // for whoever draws it next
    return false;
  }
  globalThis.addEventListener("unload", () => removeIfThere(path));
  return true;
}

/** Whether the process is gone that reserved a port: one that was killed cannot give it back. */
function isForsaken(path: string): boolean {
  try {
    const owner = Deno.readTextFileSync(path);
    if (owner === "") return false; // made this very moment
    Deno.statSync(`/proc/${owner}`);
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** A file for each port, with the id of its owner in it; a folder of each user, who can remove what is in it. */
const reservations = `/tmp/agent-test-ports-${Deno.uid()}`;
const firstPort = 11_000;
const portCount = 21_000;
