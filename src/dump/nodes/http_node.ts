/**
 * Another machine by its agent's status server: `POST /api/dump` answers 202 with an id, `GET /api/dump/ID` answers JSON
 * (`state` is `running` or `failed`) while the dump is made, and then the bundle itself.
 */
import { pause } from "../../pipeline/backoff.ts";
import { errorText } from "../../pipeline/errors.ts";
import type { CredentialFiles } from "../../tls/credentials.ts";
import { exchange, type HttpAnswer, readText } from "../http.ts";
import type { NodeAddress } from "./address.ts";
import type { RemoteDump, RemoteWish } from "./remote.ts";

/** How the servers are asked. */
export interface NodeHttpOptions {
  /** Sent with every request; for tokens. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly tls?: CredentialFiles;
  /** Between two questions; default 500 ms. */
  readonly pollMs?: number;
}

/** Asks for it. Never throws. */
export function dumpOverHttp(
  address: Extract<NodeAddress, { kind: "http" }>,
  wish: RemoteWish,
  options: NodeHttpOptions,
  signal: AbortSignal,
): RemoteDump {
  let failure: string | undefined;
  async function* content(): AsyncGenerator<Uint8Array> {
    try {
      yield* (await fetchDump(address.url, wish, options, signal)).body;
    } catch (error) {
      failure = signal.aborted ? "not done at the deadline" : errorText(error);
    }
  }
  return { content: content(), outcome: () => Promise.resolve(failure) };
}

async function fetchDump(
  base: URL,
  wish: RemoteWish,
  { headers, tls, pollMs }: NodeHttpOptions,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const common = { ...(tls === undefined ? {} : { tls }), stallMs: 30_000, signal };
  const begin = (encrypt: { encrypt?: false }): Promise<HttpAnswer> => {
    const body = new TextEncoder().encode(JSON.stringify({
      profile: wish.profile,
      deadlineMs: Math.round(wish.deadlineMs),
      ...encrypt,
      ...(wish.since === undefined ? {} : { since: wish.since.toISOString() }),
      ...(wish.until === undefined ? {} : { until: wish.until.toISOString() }),
    }));
    return exchange({
      ...common,
      method: "POST",
      url: new URL("api/dump", base),
      headers: { ...headers, "Content-Type": "application/json" },
      body: { sizeBytes: body.length, content: ReadableStream.from([body]) },
    });
  };
  let begun = await begin({ encrypt: false });
  if (begun.status === 403) {
    // Without a token it leaves nothing open that it would encrypt; where it has no recipients, it encrypts nothing.
    begun.cancel();
    begun = await begin({});
  }
  const id = await idOf(begun);
  for (;;) {
    const answer = await exchange({
      ...common,
      method: "GET",
      url: new URL(`api/dump/${encodeURIComponent(id)}`, base),
      headers: { ...headers, Accept: "application/gzip, application/octet-stream, application/json;q=0.5" },
    });
    const isJson = answer.headers.get("content-type")?.includes("json") === true;
    if (answer.status === 200 && !isJson) return answer;
    const progress = parseObject(await readText(answer));
    if (answer.status >= 300) throw new Error(`its server answered ${answer.status}${saying(progress)}`);
    if (progress["state"] === "failed") throw new Error(`its dump failed${saying(progress)}`);
    await pause(pollMs ?? 500, signal);
    signal.throwIfAborted();
  }
}

async function idOf(answer: HttpAnswer): Promise<string> {
  const said = parseObject(await readText(answer));
  if (answer.status === 409) throw new Error("another dump is being made there");
  if (answer.status === 401 || answer.status === 403) throw new Error(`its server wants a token (${answer.status})`);
  const id = said["id"];
  if (answer.status !== 202 || (typeof id !== "string" && typeof id !== "number")) {
    throw new Error(`its server answered ${answer.status}${saying(said)}: no status server of an agent`);
  }
  return String(id);
}

function saying(answer: Readonly<Record<string, unknown>>): string {
  const text = answer["error"] ?? answer["message"];
  return typeof text === "string" ? `, ${text.slice(0, 200)}` : "";
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null ? value as Readonly<Record<string, unknown>> : {};
  } catch {
    return {};
  }
}
