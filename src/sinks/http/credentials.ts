/** Who we say we are: secrets out of files, read anew for every request, so that a new one takes effect at once. */
import { errorText, PeerError } from "../../pipeline/errors.ts";

/** At most one of the three kinds. */
export interface HttpCredentials {
  readonly user?: string | undefined;
  /** Goes with `user`: Basic (RFC 7617). */
  readonly passwordFile?: string | undefined;
  /** Bearer (RFC 6750). */
  readonly tokenFile?: string | undefined;
  /** `Authorization: ApiKey …`, as Elasticsearch has it: the encoded form, or `id:key`. */
  readonly apiKeyFile?: string | undefined;
}

/** The header. @throws {PeerError} when a file cannot be read or used; its content is never part of a message */
export function authorization(
  { user, passwordFile, tokenFile, apiKeyFile }: HttpCredentials,
): Readonly<Record<string, string>> {
  if (user !== undefined && passwordFile !== undefined) {
    return { Authorization: `Basic ${encoder.encode(`${user}:${readSecret(passwordFile)}`).toBase64()}` };
  }
  if (tokenFile !== undefined) return { Authorization: `Bearer ${headerValue(tokenFile)}` };
  if (apiKeyFile === undefined) return {};
  const key = headerValue(apiKeyFile);
  return { Authorization: `ApiKey ${key.includes(":") ? encoder.encode(key).toBase64() : key}` };
}

function headerValue(path: string): string {
  const secret = readSecret(path);
  if (!/^[!-~]+$/.test(secret)) {
    throw new PeerError(`Cannot use "${path}": it holds more than one word of printable ASCII`);
  }
  return secret;
}

/** The content without the line's end. */
function readSecret(path: string): string {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    throw new PeerError(`Cannot read "${path}": ${errorText(error)}`, { cause: error });
  }
  const secret = text.replace(/\r?\n$/, "");
  if (secret === "") throw new PeerError(`Cannot use "${path}": it is empty`);
  return secret;
}

const encoder = new TextEncoder();
