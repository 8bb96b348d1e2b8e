/** A Unix datagram socket to listen on, such as `/dev/log`: its permissions, and what a killed predecessor left behind. */
import { bindUnixSocket } from "../../system/unix_socket.ts";

/**
 * Binds `path`. Closing the socket leaves the file; see {@linkcode unbindSocket}.
 * @param mode permission bits, there from the first moment on
 * @throws when another program listens there, or something that is no socket is in the way
 */
export function bindDatagramSocket(path: string, mode: number): Promise<Deno.DatagramConn> {
  const bind = (): Deno.DatagramConn => Deno.listenDatagram({ transport: "unixpacket", path });
  return bindUnixSocket(path, mode, bind, isRead);
}

/** Removes the file of a socket that was closed; nothing happens where it is gone. */
export function unbindSocket(path: string): void {
  try {
    if (Deno.lstatSync(path).isSocket === true) Deno.removeSync(path);
  } catch {
    // It is gone, or its folder is: either way nobody is misled by it.
  }
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

const probeMs = 500;
