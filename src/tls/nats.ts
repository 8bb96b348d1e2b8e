/**
 * A connection to NATS servers. The library could reconnect by itself; here a broken connection ends, and the next one is dialled by
 * who needs it, so that there is one place that knows what was confirmed.
 */
import {
  type Authenticator,
  connect,
  credsAuthenticator,
  type NatsConnection,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/transport-node";
import { jetstreamManager } from "@nats-io/jetstream";
import { errorText, PeerError } from "../pipeline/errors.ts";
import { type CredentialFiles, loadCredentials } from "./credentials.ts";
import { formatAddress } from "./dial.ts";

/** Who we say we are; secrets are in files, read at each connection. At most one kind. */
export interface NatsCredentials {
  readonly user?: string;
  readonly passwordFile?: string;
  readonly tokenFile?: string;
  /** User JWT with its seed, as `nsc` writes it. */
  readonly credsFile?: string;
  readonly nkeyFile?: string;
}

/** Where to connect. */
export interface NatsOptions {
  /** Tried in their order; those that a server tells of come after. */
  readonly servers: readonly { readonly host: string; readonly port: number }[];
  readonly tls?: CredentialFiles;
  readonly credentials?: NatsCredentials;
  readonly connectionTimeoutMs: number;
  /** Name that the servers show for us. */
  readonly name: string;
}

/** Connects to the first server that answers. The caller closes it. @throws {PeerError} when none does, with the reason */
export async function connectNats(options: NatsOptions, known: readonly string[] = []): Promise<NatsConnection> {
  const { servers, tls, credentials, connectionTimeoutMs, name } = options;
  const addresses = [...new Set([...servers.map(({ host, port }) => formatAddress(host, port)), ...known])];
  try {
    return await connect({
      servers: addresses,
      name,
      timeout: connectionTimeoutMs,
      reconnect: false,
      noRandomize: true,
      pingInterval: 20_000,
      maxPingOut: 2,
      ...(tls === undefined ? {} : { tls: loadCredentials(tls) }),
      ...(credentials === undefined ? {} : { authenticator: authenticatorOf(credentials) }),
    });
  } catch (error) {
    throw new PeerError(`Cannot connect to NATS ${addresses.join(", ")}: ${errorText(error)}`, { cause: error });
  }
}

/** Subjects of a stream, undefined where there is none; and the server that told. @throws {PeerError} when none tells */
export async function natsStreamSubjects(
  options: NatsOptions,
  stream: string,
): Promise<{ readonly server: string; readonly subjects: readonly string[] | undefined }> {
  const connection = await connectNats(options);
  try {
    return { server: connection.getServer(), subjects: await streamSubjects(connection, stream) };
  } catch (error) {
    throw new PeerError(`Cannot ask NATS ${connection.getServer()} for stream "${stream}": ${errorText(error)}`);
  } finally {
    await connection.close().catch(() => {});
  }
}

/** Subjects of a stream, undefined where there is none. */
export async function streamSubjects(
  connection: NatsConnection,
  stream: string,
): Promise<readonly string[] | undefined> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  try {
    return (await manager.streams.info(stream)).config.subjects ?? [];
  } catch (error) {
    if (/stream not found/i.test(errorText(error))) return undefined;
    throw error;
  }
}

function authenticatorOf({ user, passwordFile, tokenFile, credsFile, nkeyFile }: NatsCredentials): Authenticator {
  if (credsFile !== undefined) return credsAuthenticator(Deno.readFileSync(credsFile));
  if (nkeyFile !== undefined) return nkeyAuthenticator(new TextEncoder().encode(readSecret(nkeyFile)));
  if (tokenFile !== undefined) return tokenAuthenticator(readSecret(tokenFile));
  return usernamePasswordAuthenticator(user ?? "", passwordFile === undefined ? "" : readSecret(passwordFile));
}

function readSecret(path: string): string {
  return Deno.readTextFileSync(path).replace(/\r?\n$/, "");
}
