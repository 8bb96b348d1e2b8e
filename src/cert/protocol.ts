/** What a protocol of enrolment is: certifix and EST are two; a third is one more file and one line in `protocols.ts`. */
import { PeerError, TryLaterError } from "../pipeline/errors.ts";
import type { Certificate } from "./certificate.ts";
import { ClockError, PendingError, RefusedError } from "./errors.ts";
import { exchangeHttp, type HttpAnswer, type HttpRequest } from "./http.ts";
import type { KeyType } from "./keys.ts";

/** Where the signing end is, and whom to trust there. */
export interface SigningEnd {
  readonly url: URL;
  /** File of the CA certificates that are trusted, and nothing else is. */
  readonly ca: string;
  readonly timeoutMs: number;
}

/** What proves to the signing end that we may have a certificate. */
export interface Proof {
  /** The shared or one-time secret. */
  readonly challenge?: string;
  /** Name that goes with the secret in HTTP Basic (EST). */
  readonly userName: string;
  /** The pair that is to be renewed, for the TLS connection; only one that can still be used. */
  readonly pair?: { readonly cert: string; readonly key: string };
}

/** What the signing end says before there is a request. */
export interface Preparation {
  /** CA certificates to trust, and to install, besides those given. */
  readonly anchors: readonly Certificate[];
  /** Kind of key that it asks for. */
  readonly keyType?: KeyType;
}

/** One way to a certificate. */
export interface EnrolmentProtocol {
  readonly id: string;
  /** Whether the challenge belongs into the request itself. */
  readonly challengeInRequest: boolean;
  /** Asks what must be known before a request is made. */
  prepare(end: SigningEnd, signal: AbortSignal): Promise<Preparation>;
  /**
   * Sends a request (DER) and returns the certificates of the answer, unchecked.
   * @throws {RefusedError} no · {PendingError} not yet · {TryLaterError} nobody there
   */
  submit(request: Uint8Array, proof: Proof, end: SigningEnd, signal: AbortSignal): Promise<readonly Certificate[]>;
}

/**
 * An exchange whose failures have the types above. When the peer does not take the own certificate in the TLS
 * handshake, it is tried once more without.
 */
export async function ask(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
  try {
    return await exchangeHttp(request, signal);
  } catch (error) {
    if (!(error instanceof PeerError) || signal.aborted) throw tryLater(request, error);
    if (request.pair === undefined || !/alert|credential|Cannot use "/i.test(error.message)) {
      throw tryLater(request, error);
    }
    const { pair: _refused, ...without } = request;
    return await exchangeHttp(without, signal).catch((second: unknown) => {
      throw tryLater(request, second);
    });
  }
}

/** Turns every status but 200 into the error that it means. */
export function requireSuccess(answer: HttpAnswer, url: URL): HttpAnswer {
  const { status, headers, body } = answer;
  if (status === 200) return answer;
  const reason = firstLine(body);
  const text = `${status}${reason === "" ? "" : `, ${reason}`}`;
  const retryAfterMs = parseRetryAfterMs(headers.get("retry-after"));
  if (status === 202) throw new PendingError(`The request waits at ${url.host} to be granted`, retryAfterMs);
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    throw new PendingError(`Cannot get certificate from "${url.host}": it answers ${text}`, retryAfterMs);
  }
  throw new RefusedError(`Cannot get certificate from "${url.href}": refused (${text})\nTry: ${hintOf(status)}`);
}

/** Milliseconds of a Retry-After header: seconds, or a date. @see RFC 9110 section 10.2.3 */
export function parseRetryAfterMs(value: string | undefined, nowMs: number = Date.now()): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,8}$/.test(value)) return Number(value) * 1_000;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

function hintOf(status: number): string {
  if (status === 401 || status === 403) return "check the challenge password, and whether the CA allows this subject";
  if (status === 404 || status === 405) return "check the path of --url, and --protocol";
  return "see the log of the signing end";
}

/** What a peer says is shown as one short line of plain text. */
function firstLine(body: Uint8Array): string {
  const line = new TextDecoder().decode(body.subarray(0, 400)).trim().split("\n")[0] ?? "";
  // deno-lint-ignore no-control-regex
  return line.startsWith("<") ? "" : line.replaceAll(/[\x00-\x1f\x7f-\x9f]/g, " ").slice(0, 200);
}

function tryLater(request: HttpRequest, error: unknown): Error {
  const text = error instanceof Error ? error.message : String(error);
  if (/CERT_NOT_YET_VALID/.test(text)) {
    return new ClockError(
      `Cannot trust "${request.url.host}" yet: clock not set (${
        new Date().toISOString()
      } is before its certificate)\n` +
        "Try: wait for the time service, or set the clock",
      { cause: error },
    );
  }
  return new TryLaterError(
    `Cannot reach signing end "${request.url.host}": ${text}\nTry: check the network, the address and the CA file`,
    { cause: error },
  );
}
