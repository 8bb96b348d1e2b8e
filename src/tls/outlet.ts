/** Ways out over TCP or TLS to the servers of one sink, as `system/outlet.ts` wants them. */
import { SilenceError } from "../pipeline/errors.ts";
import type { Outlet, OutletSinkOptions } from "../system/outlet.ts";
import { TcpOutlet } from "../system/tcp_outlet.ts";
import { Targets, type TargetsOptions } from "./targets.ts";

/** Where to, and how long to wait. */
export interface StreamTargetsOptions extends TargetsOptions {
  /** `tls` needs `tls`; `tcp` passes it over. */
  readonly transport: "tcp" | "tls";
  /** Time in which the peer takes nothing of what is waiting that ends the connection. */
  readonly timeoutMs: number;
}

/** The part of an outlet sink that opens ways out and knows which server to use. Disposed by the sink. */
export function streamTargets(
  options: StreamTargetsOptions,
): Required<Pick<OutletSinkOptions, "flightBytes" | "open" | "outdated" | "failed" | "dispose">> {
  const { tls, transport, timeoutMs, ...rest } = options;
  const secured = transport === "tls";
  if (secured && tls === undefined) {
    throw new TypeError(`Cannot open sink "${options.id}": transport tls without TLS options`);
  }
  const targets = new Targets(secured && tls !== undefined ? { ...rest, tls } : rest);
  return {
    flightBytes,
    open: async (signal): Promise<Outlet> => new TcpOutlet(await targets.dial(signal), { secured, timeoutMs }),
    outdated: () => targets.preferredIsBack(),
    failed: (error) => targets.failed(error instanceof SilenceError ? timeoutMs : 0),
    dispose: () => targets[Symbol.dispose](),
  };
}

/**
 * A look at the kernel's table takes milliseconds, and comes some 25 ms after the one before it: less in flight would
 * have fast links wait for it.
 */
const flightBytes = 2 * 1024 * 1024;
