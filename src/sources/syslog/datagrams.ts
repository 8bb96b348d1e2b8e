/**
 * Syslog in datagrams: UDP (RFC 5426) and the Unix socket that `syslog(3)` writes to. Nobody repeats a datagram, so
 * they are read as fast as they come, into a buffer of bounded size; when that is full, a Unix sender waits, and what
 * the kernel drops of UDP is counted and announced.
 */
import { pause } from "../../pipeline/backoff.ts";
import { batchOfLines } from "../../pipeline/batch.ts";
import { errorText, failure } from "../../pipeline/errors.ts";
import { openLog } from "../../system/log.ts";
import { bindDatagramSocket, unbindSocket } from "./datagram_socket.ts";
import { Gathering } from "./gathering.ts";
import { type Give, graceMs, type Intake, originOf, type RecordDefaults } from "./intake.ts";
import { readKernelDrops } from "./kernel_drops.ts";

/** Where to listen. */
export interface DatagramOptions extends RecordDefaults {
  readonly listen:
    | { readonly transport: "udp"; readonly host: string; readonly port: number }
    | { readonly transport: "unix"; readonly path: string; readonly mode: number };
  /** Held for a slow consumer, in bytes. */
  readonly maxHeldBytes: number;
  /** How often the kernel is asked what it dropped. */
  readonly dropCheckMs: number;
}

/** Binds the socket and begins to read. @throws when it cannot be bound */
export async function openDatagramIntake(options: DatagramOptions, give: Give): Promise<Intake> {
  const { listen } = options;
  if (listen.transport === "unix") {
    return new DatagramIntake(options, await bindDatagramSocket(listen.path, listen.mode), give);
  }
  try {
    const socket = Deno.listenDatagram({ transport: "udp", hostname: listen.host, port: listen.port });
    return new DatagramIntake(options, socket, give);
  } catch (error) {
    const reason = error instanceof Deno.errors.AddrInUse ? new Error("the address is in use") : error;
    const hint = "stop the other program, or choose another port (those below 1024 need root)";
    throw failure("listen on", `udp ${listen.host}:${listen.port}`, reason, hint);
  }
}

class DatagramIntake implements Intake {
  readonly address: string;
  readonly port?: number;
  readonly done: Promise<void>;
  readonly #options: DatagramOptions;
  readonly #socket: Deno.DatagramConn;
  readonly #give: Give;
  readonly #gathering: Gathering;
  readonly #stopping = new AbortController();
  #closed = false;
  #received = false;
  #drops = 0;
  #wakeReceiver: (() => void) | undefined;
  #wakeGiver: (() => void) | undefined;

  constructor(options: DatagramOptions, socket: Deno.DatagramConn, give: Give) {
    this.#options = options;
    this.#socket = socket;
    this.#give = give;
    this.#gathering = new Gathering(options.maxMessageBytes);
    const { addr } = socket;
    if (addr.transport === "udp") {
      this.address = `udp ${addr.hostname}:${addr.port}`;
      this.port = addr.port;
    } else this.address = `unix ${options.listen.transport === "unix" ? options.listen.path : ""}`;
    this.#drops = this.#countDrops();
    this.done = this.#run();
  }

  stop(): void {
    setTimeout(() => this.close(), graceMs);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reportDrops();
    this.#stopping.abort();
    this.#socket.close();
    if (this.#options.listen.transport === "unix") unbindSocket(this.#options.listen.path);
    this.#wakeReceiver?.();
  }

  async #run(): Promise<void> {
    await Promise.all([
      this.#receiveAll().finally(() => {
        this.#received = true;
        this.#wakeGiver?.();
      }),
      this.#giveAll(),
      this.#watchDrops(),
    ]);
    const { splitRecords } = this.#gathering;
    if (splitRecords > 0) log.warning(`${this.address}: split ${splitRecords} messages longer than the limit`);
  }

  async #receiveAll(): Promise<void> {
    const buffer = new Uint8Array(largestDatagramBytes);
    while (!this.#closed) {
      if (this.#gathering.bytes >= this.#options.maxHeldBytes) {
        await new Promise<void>((resolve) => this.#wakeReceiver = resolve);
        continue;
      }
      try {
        const [datagram, from] = await this.#socket.receive(buffer);
        const sender = from.transport === "udp" ? plainAddress(from.hostname) : this.#options.hostname;
        this.#gathering.add(datagram, sender, () => originOf(this.#options, sender));
        this.#wakeGiver?.();
      } catch (error) {
        if (this.#closed) return;
        log.warning(`Cannot read from ${this.address}: ${errorText(error)}`);
        await pause(receivePauseMs, this.#stopping.signal);
      }
    }
  }

  /** Gives what there is; under load it waits a moment, so that datagrams travel together. */
  async #giveAll(): Promise<void> {
    let givenAtMs = -Infinity;
    for (;;) {
      const batch = this.#gathering.take();
      if (batch === undefined) {
        if (this.#received) return;
        await new Promise<void>((resolve) => this.#wakeGiver = resolve);
        const isBusy = performance.now() - givenAtMs < busyMs;
        if (isBusy && !this.#received) await pause(gatherMs, this.#stopping.signal);
        continue;
      }
      if (!await this.#give(batch)) {
        this.close();
        return;
      }
      givenAtMs = performance.now();
      this.#wakeReceiver?.();
    }
  }

  async #watchDrops(): Promise<void> {
    if (this.port === undefined) return;
    while (!this.#closed) {
      await pause(this.#options.dropCheckMs, this.#stopping.signal);
      this.#reportDrops();
    }
  }

  /** What the kernel dropped for want of room becomes a warning and a record. */
  #reportDrops(): void {
    const drops = this.#countDrops();
    const fresh = drops - this.#drops;
    this.#drops = drops;
    if (fresh <= 0) return;
    const text = `gap of ${fresh} datagrams: they came to ${this.address} faster than they could be taken`;
    log.warning(`${text}; a larger net.core.rmem_default (sysctl) or TCP would help`);
    const origin = { ...originOf(this.#options, this.#options.hostname), program: "agent", priority: gapPriority };
    this.#gathering.append(batchOfLines([`agent: ${text}`], origin));
    this.#wakeGiver?.();
  }

  #countDrops(): number {
    const { addr } = this.#socket;
    return addr.transport === "udp" && !this.#stopping.signal.aborted ? readKernelDrops(addr) : this.#drops;
  }
}

/** `10.0.0.1` for `::ffff:10.0.0.1`. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=[\d.]+$)/i, "");
}

const log = openLog("syslog");
/** UDP has less; on a Unix socket the kernel takes what fits its buffer, by default 208 KiB. */
const largestDatagramBytes = 256 * 1024;
const receivePauseMs = 200;
const busyMs = 5;
const gatherMs = 2;
/** syslog.warning (RFC 5424 section 6.2.1): the agent speaks of its own affairs. */
const gapPriority = 5 * 8 + 4;
