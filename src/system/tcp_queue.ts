/** What the kernel has still to deliver on one of our TCP connections, read from its own table. */
import { findTcpEntry, tableAddress, type TcpEntry } from "../formats/proc_net_tcp.ts";
import type { ConnectionEnds } from "./connection.ts";

/** The row of one connection. Closed by whoever opened it. */
export class TcpQueue implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #local: string;
  readonly #remote: string;

  private constructor(file: Deno.FsFile, local: string, remote: string) {
    this.#file = file;
    this.#local = local;
    this.#remote = remote;
  }

  /** Undefined where there is no such table (no /proc, not Linux, no permission) or the connection is not in it. */
  static open(ends: ConnectionEnds): TcpQueue | undefined {
    const local = tableAddress(ends.localAddress, ends.localPort);
    const remote = tableAddress(ends.remoteAddress, ends.remotePort);
    if (local === undefined || remote === undefined) return undefined;
    try {
      const file = Deno.openSync(ends.localAddress.includes(":") ? "/proc/net/tcp6" : "/proc/net/tcp");
      const queue = new TcpQueue(file, local, remote);
      if (queue.read() !== undefined) return queue;
      queue[Symbol.dispose]();
    } catch {
      // Nothing to look at: the caller does without.
    }
    return undefined;
  }

  /** The row as it is now; undefined when the connection is gone. Costs milliseconds on machines with large tables. */
  read(): TcpEntry | undefined {
    this.#file.seekSync(0, Deno.SeekMode.Start);
    let rest = "";
    for (;;) {
      const length = this.#file.readSync(buffer); // whole rows: the kernel never cuts one
      if (length === null || length === 0) return undefined;
      const rows = rest + decoder.decode(buffer.subarray(0, length));
      const entry = findTcpEntry(rows, this.#local, this.#remote);
      if (entry !== undefined) return entry;
      rest = rows.slice(rows.lastIndexOf("\n") + 1);
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

const buffer = new Uint8Array(16 * 1024);
const decoder = new TextDecoder();
