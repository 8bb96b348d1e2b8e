/**
 * Tells the service manager how we are (sd_notify(3)): a datagram to the socket that `NOTIFY_SOCKET` names. Without that name, or where
 * nothing listens, it does nothing: a service must run under every supervisor.
 */
import { errorText } from "../pipeline/errors.ts";
import { openLog } from "./log.ts";

/** The connection to the service manager. Dispose it at the end. */
export interface ServiceManager extends Disposable {
  /** Everything is open; the manager may start what waits for us. */
  ready(): void;
  /** The configuration is read again; `ready` ends it. */
  reloading(): void;
  /** We were told to stop and are draining. */
  stopping(): void;
}

/** What the manager's environment says. */
export interface NotifyEnvironment {
  /** `NOTIFY_SOCKET` */
  readonly socket?: string | undefined;
  /** `WATCHDOG_USEC`: microseconds within which the manager wants to hear from us. */
  readonly watchdogMicros?: string | undefined;
  /** `WATCHDOG_PID`: for whom that is meant. */
  readonly watchdogPid?: string | undefined;
}

/** Connects, and from then on answers for the event loop: the watchdog hears from us twice in its time. Never throws. */
export function openServiceManager(environment: NotifyEnvironment = environmentOfProcess()): ServiceManager {
  const { socket } = environment;
  if (socket === undefined || socket === "") return silent;
  if (!socket.startsWith("/")) {
    log.debug(`the service manager's socket "${socket}" has no path; it is not told of anything`);
    return silent;
  }
  try {
    return new Notifier(socket, watchdogPauseMs(environment));
  } catch (error) {
    log.warning(`Cannot talk to the service manager "${socket}": ${errorText(error)}`);
    return silent;
  }
}

/** Half of the watchdog's time, milliseconds; undefined where there is none, or where it is another process's. */
function watchdogPauseMs(
  { watchdogMicros, watchdogPid }: NotifyEnvironment,
  pid: number = Deno.pid,
): number | undefined {
  const micros = Number(watchdogMicros ?? 0);
  if (!(micros > 0) || (watchdogPid !== undefined && Number(watchdogPid) !== pid)) return undefined;
  return Math.max(1, Math.floor(micros / 2_000));
}

class Notifier implements ServiceManager {
  readonly #path: string;
  readonly #own: string;
  readonly #socket: Deno.DatagramConn;
  readonly #timer: ReturnType<typeof setInterval> | undefined;

  constructor(path: string, pauseMs: number | undefined) {
    this.#path = path;
    // A datagram socket of this runtime has an address of its own; the answer that it could take never comes.
    this.#own = Deno.makeTempDirSync({ prefix: "agent-notify-" });
    this.#socket = Deno.listenDatagram({ transport: "unixpacket", path: `${this.#own}/socket` });
    this.#timer = pauseMs === undefined ? undefined : setInterval(() => this.#send("WATCHDOG=1"), pauseMs);
    if (this.#timer !== undefined) Deno.unrefTimer(this.#timer);
  }

  ready(): void {
    this.#send("READY=1");
  }

  reloading(): void {
    this.#send("RELOADING=1");
  }

  stopping(): void {
    this.#send("STOPPING=1");
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    try {
      this.#socket.close();
      Deno.removeSync(this.#own, { recursive: true });
    } catch {
      // It is ending; what is left is an empty folder.
    }
  }

  #send(state: string): void {
    this.#socket.send(new TextEncoder().encode(state), { transport: "unixpacket", path: this.#path })
      .catch((error) => log.debug(`Cannot tell the service manager "${state}": ${errorText(error)}`));
  }
}

function environmentOfProcess(): NotifyEnvironment {
  return {
    socket: Deno.env.get("NOTIFY_SOCKET"),
    watchdogMicros: Deno.env.get("WATCHDOG_USEC"),
    watchdogPid: Deno.env.get("WATCHDOG_PID"),
  };
}

const silent: ServiceManager = {
  ready: () => {},
  reloading: () => {},
  stopping: () => {},
  [Symbol.dispose]: () => {},
};

const log = openLog("service");
