/** What the agent knows of itself, for a dump: read by the code that wrote it, without disturbing an agent that runs. */
import { join } from "node:path";
import type { AgentConfig } from "../config/config.ts";
import type { Destination, OwnState } from "../dump/collectors/mod.ts";
import { FolderFiles } from "../spool/files.ts";
import { inspectSpool } from "../spool/offline.ts";
import { readTextIfThere } from "../system/atomic_file.ts";

/** Configuration, spool, positions and certificate. `config` is undefined where it could not be read. */
export function ownStateOf(
  path: string | undefined,
  config: AgentConfig | undefined,
  state: string,
): readonly OwnState[] {
  return [
    ...(path === undefined ? [] : [
      { path: "configuration.yaml", kind: "yaml", origin: path, read: () => readTextIfThere(path) } as const,
    ]),
    ...(config === undefined ? [] : [
      {
        path: "configuration.resolved.json",
        kind: "json",
        origin: `${path ?? "configuration"}, as the agent understands it`,
        read: () => JSON.stringify(config, null, 1) + "\n",
      } as const,
    ]),
    { path: "spool.json", kind: "json", origin: join(state, "spool"), read: () => spoolState(join(state, "spool")) },
    {
      path: "positions.txt",
      kind: "text",
      origin: join(state, "positions"),
      read: () => texts(join(state, "positions")),
    },
    { path: "state.txt", kind: "text", origin: state, read: () => listing(state) },
    ...(config?.certificate === undefined ? [] : [certificateState(config.certificate.folder)]),
  ];
}

/** What `agent cert status --json` says; the code for it is loaded only where there is a certificate. */
function certificateState(folder: string): OwnState {
  return {
    path: "certificate.json",
    kind: "json",
    origin: `certificate in ${folder}`,
    read: async () => {
      const { readStatus } = await import("../cert/status.ts");
      const { CertificateStore } = await import("../cert/store.ts");
      return JSON.stringify(readStatus(new CertificateStore(folder), Date.now()), null, 1) + "\n";
    },
  };
}

/** Hosts and ports that the sinks send to. */
export function destinationsOf(config: AgentConfig | undefined): readonly Destination[] {
  return Object.values(config?.sinks ?? {}).flatMap((sink) =>
    "host" in sink && "port" in sink && sink.port > 0 ? [{ host: sink.host, port: sink.port }] : []
  );
}

function spoolState(folder: string): string | undefined {
  if (!isThere(folder)) return undefined;
  return JSON.stringify(inspectSpool(new FolderFiles(folder)), null, 1) + "\n";
}

/** The ends of all files of a folder: positions are logs whose last lines count. */
function texts(folder: string): string | undefined {
  if (!isThere(folder)) return undefined;
  return [...Deno.readDirSync(folder)].filter(({ isFile }) => isFile).slice(0, 100).map(({ name }) => {
    const text = new TextDecoder().decode(readEnd(join(folder, name)));
    return `==> ${name} <==\n${text}\n`;
  }).join("\n");
}

function readEnd(path: string): Uint8Array {
  using file = Deno.openSync(path, { read: true });
  const { size } = file.statSync();
  file.seekSync(Math.max(0, size - endBytes), Deno.SeekMode.Start);
  const bytes = new Uint8Array(Math.min(size, endBytes));
  return bytes.subarray(0, file.readSync(bytes) ?? 0);
}

/** Names, sizes and times of the state folder, two levels deep; never what is in a key. */
function listing(folder: string): string | undefined {
  if (!isThere(folder)) return undefined;
  const lines: string[] = [];
  const walk = (path: string, depth: number): void => {
    for (const { name, isDirectory } of [...Deno.readDirSync(path)].slice(0, 500)) {
      const one = join(path, name);
      const { size, mtime, mode } = Deno.lstatSync(one);
      lines.push(
        `${((mode ?? 0) & 0o7777).toString(8).padStart(4, "0")} ${size} ${mtime?.toISOString() ?? "-"} ${one}`,
      );
      if (isDirectory && depth < 2) walk(one, depth + 1);
    }
  };
  walk(folder, 1);
  return lines.join("\n") + "\n";
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const endBytes = 8 * 1024;
