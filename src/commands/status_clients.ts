/** Where `agent status` asks, and how it says who it is. */
import { errorText } from "../pipeline/errors.ts";
import { type ClientAddress, parseClientAddress, StatusClient } from "../status/client.ts";
import { findConfig, type FoundConfig } from "./dump_config.ts";
import { usage } from "./words.ts";

/** The options that decide it. */
export interface ClientWords {
  readonly config?: string;
  readonly address?: string;
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The address that is asked for, that of the configuration, or the usual ones in turn. */
export function clientsOf(words: ClientWords): readonly StatusClient[] {
  const found = words.address === undefined || words.config !== undefined ? findConfig(words.config) : undefined;
  const tokenFile = words.tokenFile ?? found?.config?.status?.tokenFile;
  const token = tokenFile === undefined ? undefined : readToken(tokenFile, words.tokenFile !== undefined);
  const { ca, cert, key } = words;
  const tls = ca === undefined && cert === undefined ? undefined : {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  return addressesOf(words, found).map((address) =>
    new StatusClient({ address, ...(token === undefined ? {} : { token }), ...(tls === undefined ? {} : { tls }) })
  );
}

function addressesOf({ address }: ClientWords, found: FoundConfig | undefined): readonly ClientAddress[] {
  if (address !== undefined) return [usage("--address", () => parseClientAddress(address))];
  const status = found?.config?.status;
  if (status === undefined) return usualAddresses.map(parseClientAddress);
  if ("path" in status.listen) return [{ path: status.listen.path }];
  const { host, port } = status.listen;
  const near = ["0.0.0.0", "::", ""].includes(host) ? "127.0.0.1" : host; // it listens everywhere: also here
  return [
    new URL(`${status.tls === undefined ? "http" : "https"}://${near.includes(":") ? `[${near}]` : near}:${port}`),
  ];
}

/** The first token of the file; a file of the configuration may be for others' eyes only. @throws when an asked one cannot be read */
function readToken(path: string, asked: boolean): string | undefined {
  try {
    return Deno.readTextFileSync(path).split("\n").map((line) => line.trim()).find((line) => line !== "");
  } catch (error) {
    if (!asked) return undefined;
    throw new Error(`Cannot read token "${path}": ${errorText(error)}\nTry: the tokenFile of the agent's status`);
  }
}

const usualAddresses = ["127.0.0.1:7514", "unix:/run/agent/status.sock"] as const;
