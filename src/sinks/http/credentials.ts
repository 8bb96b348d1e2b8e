/** Who we say we are: secrets out of files, read anew for every request, so that a new one takes effect at once. */
import { errorText, PeerError } from "../../pipeline/errors.ts";

/** How, and where the secret is. */
export interface HttpCredentials {
  /** Basic (RFC 7617), Bearer (RFC 6750), or `ApiKey`, as Elasticsearch has it: the encoded form, or `id:key`. */
  readonly kind: "basic" | "bearer" | "apiKey";
  readonly secretFile: string;
  /** For `basic`. */
  readonly user?: string;
}

/** The header. @throws {PeerError} when the file cannot be read or used; its content is never part of a message */
export function authorization({ kind, secretFile, user = "" }: HttpCredentials): Readonly<Record<string, string>> {
  const secret = readSecret(secretFile);
  if (kind === "basic") return { Authorization: `Basic ${encoder.encode(`${user}:${secret}`).toBase64()}` };
  if (!/^[!-~]+$/.test(secret)) {
    throw new PeerError(`Cannot use "${secretFile}": it holds more than one word of printable ASCII`);
  }
  if (kind === "bearer") return { Authorization: `Bearer ${secret}` };
  return { Authorization: `ApiKey ${secret.includes(":") ? encoder.encode(secret).toBase64() : secret}` };
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
