/** A Unix datagram socket to listen on, such as `/dev/log`: its permissions, and what a killed predecessor left behind. */
import { dirname } from "node:path";
import { failure } from "../../pipeline/errors.ts";

/**
 * Binds `path`. Closing the socket leaves the file; see {@linkcode unbindSocket}.
 * @param mode permission bits, there from the first moment on
 * @throws when another program reads there, or something that is no socket is in the way
 */
export async function bindDatagramSocket(path: string, mode: number): Promise<Deno.DatagramConn> {
  const what = `socket "${path}"`;
  try {
    Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    await removeStaleSocket(path);
    const oldMask = Deno.umask(0o777 & ~mode);
    try {
      return Deno.listenDatagram({ transport: "unixpacket", path });
    } finally {
      Deno.umask(oldMask);
    }
  } catch (error) {
    if (error instanceof OccupiedError) throw new Error(`Cannot listen on ${what}: ${error.message}`);
    throw failure("listen on", what, error, "make its folder writable, or name another socket");
  }
}

/** Removes the file of a socket that was closed; nothing happens where it is gone. */
export function unbindSocket(path: string): void {
  try {
    if (Deno.lstatSync(path).isSocket === true) Deno.removeSync(path);
  } catch {
    // It is gone, or its folder is: either way nobody is misled by it.
  }
}

/** Removes the socket of a program that is gone: one that refuses datagrams. Everything else is left alone. */
async function removeStaleSocket(path: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (info.isSocket !== true) throw new OccupiedError("it is not a socket\nTry: another path, or remove what is there");
  if (await isRead(path)) {
    throw new OccupiedError("another program reads there\nTry: stop that program, or name another socket");
  }
  Deno.removeSync(path);
}

/** Whether somebody reads at `path`: an empty datagram, which no reader takes for a record, is refused where nobody does. */
async function isRead(path: string): Promise<boolean> {
  const folder = Deno.makeTempDirSync({ prefix: "agent-probe" });
  const probe = Deno.listenDatagram({ transport: "unixpacket", path: `${folder}/socket` });
  try {
    const sent = probe.send(new Uint8Array(0), { transport: "unixpacket", path }).then(() => true);
    const full = new Promise<boolean>((resolve) => setTimeout(() => resolve(true), probeMs)); // waits: so somebody owns it
    return await Promise.race([sent, full]);
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  } finally {
    probe.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

class OccupiedError extends Error {}
const probeMs = 500;
