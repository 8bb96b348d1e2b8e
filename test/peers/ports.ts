/** Ports that nobody uses, on loopback. */

/**
 * A TCP port of 127.0.0.1 that was free a moment ago. It lies below the range from which Linux takes the near ends of
 * connections: a server that is killed and started again finds its port free, and a client that tries it meanwhile can
 * not connect to itself.
 */
export function freePort(): number {
  for (;;) {
    const port = firstPort + crypto.getRandomValues(new Uint16Array(1))[0]! % portCount;
    if (given.has(port) || !isFree(port)) continue;
    given.add(port);
    return port;
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

/** Ports of this process's earlier calls: their programs may not have bound them yet. */
const given = new Set<number>();
const firstPort = 11_000;
const portCount = 21_000;
