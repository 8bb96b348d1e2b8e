/** A Unix stream socket to listen on: its folder, its permissions, and what a killed predecessor left behind. */
import type { Server } from "node:net";
import { dirname } from "node:path";
import { failure } from "../pipeline/errors.ts";

/**
 * Listens on `path`; the listener's `close` removes the socket.
 * @param mode permission bits, there from the first moment on
 * @throws when another program listens there, or something that is no socket is in the way
 */
export function listenOnUnixSocket(path: string, mode: number): Promise<Deno.Listener> {
  return bindUnixSocket(path, mode, () => Deno.listen({ transport: "unix", path }));
}

/** {@linkcode listenOnUnixSocket} for a server of `node:net`, whose `close` removes the socket. */
export function listenWithServer(server: Server, path: string, mode: number): Promise<void> {
  return bindUnixSocket(path, mode, () =>
    new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ path }, resolve);
    }));
}

/**
 * {@linkcode listenOnUnixSocket} for other kinds of servers: `bind` makes the socket before it returns.
 * @param isServed whether the program that made the socket at `path` is still there
 */
export async function bindUnixSocket<T>(
  path: string,
  mode: number,
  bind: () => T | Promise<T>,
  isServed: (path: string) => Promise<boolean> = isListening,
): Promise<T> {
  const what = `socket "${path}"`;
  try {
    Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    await removeStaleSocket(path, isServed);
    return await withMask(0o777 & ~mode, bind);
  } catch (error) {
    if (error instanceof OccupiedError) throw new Error(`Cannot listen on ${what}: ${error.message}`);
    throw failure("listen on", what, error, "make its folder writable, or name another socket");
  }
}

function withMask<T>(mask: number, action: () => T): T {
  const oldMask = Deno.umask(mask);
  try {
    return action();
  } finally {
    Deno.umask(oldMask);
  }
}

/** Removes the socket of a program that is gone. Everything else is left alone. */
async function removeStaleSocket(path: string, isServed: (path: string) => Promise<boolean>): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (info.isSocket !== true) throw new OccupiedError("it is not a socket\nTry: another path, or remove what is there");
  if (await isServed(path)) {
    throw new OccupiedError("another program listens there\nTry: stop that program, or name another socket");
  }
  Deno.removeSync(path);
}

async function isListening(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}

class OccupiedError extends Error {}
