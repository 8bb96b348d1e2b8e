/** Ports that nobody uses, on loopback. */

/**
 * A TCP port of 127.0.0.1 that was free a moment ago. The kernel hands out others first, so that two tests that run at
 * once do not get the same one.
 */
export function freePort(): number {
  for (;;) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    if (!given.has(port)) {
      given.add(port);
      return port;
    }
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

/** Ports of this process's earlier calls: their programs may not have bound them yet. */
const given = new Set<number>();
