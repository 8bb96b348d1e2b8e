/** The status server as a configuration asks for it. Loaded only where there is one. */
import { join } from "node:path";
import type { AgentConfig } from "../config/config.ts";
import { openStatusServer, type StatusServer } from "../status/server/server.ts";
import type { AgentFeed } from "../status/state.ts";
import { dumpMaker } from "./status_dump.ts";

/**
 * Opens it; undefined where the configuration asks for none.
 * @param configPath the configuration's file, which dumps read again; undefined: they look for one themselves
 * @param canTail whether there are records to follow
 * @throws as {@linkcode openStatusServer} does
 */
export async function openStatus(
  { status, dump, state }: AgentConfig,
  feed: AgentFeed,
  configPath: string | undefined,
  canTail = true,
): Promise<StatusServer | undefined> {
  if (status === undefined) return undefined;
  const { listen, tls, tokenFile, hosts, dump: { enabled, profile = dump?.profile, keepMs } } = status;
  const make = dumpMaker({
    folder: join(state, "dumps"),
    keepMs,
    ...(configPath === undefined ? {} : { configPath }),
    ...(profile === undefined ? {} : { profile }),
  });
  return await openStatusServer({
    listen,
    hosts,
    feed,
    canTail,
    ...(tls === undefined ? {} : { tls }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(enabled ? { dumps: { make, keepMs } } : {}),
  });
}
