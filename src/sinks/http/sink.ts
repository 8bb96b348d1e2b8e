/**
 * The sinks over HTTP: records of all sources in one request after the other, each answered before the next is sent, so
 * that order is kept. What differs between receivers is a protocol (`protocol.ts`).
 *
 * ```text
 *   send(batch) ─► parcels, oldest first ─► a request: as many records as are there, up to a size
 *        ▲                                      │ answer
 *        │            ┌─────────────────────────┴───────────────────────────┐
 *   rejections ◄── refused one by one     too large: halves     may be sent again: all open calls fail,
 *                                                               what is held is remembered, the pump comes back
 * ```
 *
 * A request is never repeated here: the pump does that, with its pauses and its counting. A `Retry-After` makes the next
 * request wait at least so long.
 */
import { promisify } from "node:util";
import { constants, gzip, zstdCompress } from "node:zlib";
import { encodeRequestHead, type HttpAnswer, parseRetryAfterMs } from "../../formats/http_message.ts";
import { pause } from "../../pipeline/backoff.ts";
import type { Batch } from "../../pipeline/batch.ts";
import { errorText, PeerError } from "../../pipeline/errors.ts";
import type { Rejection, Sink } from "../../pipeline/sink.ts";
import { formatAddress } from "../../tls/dial.ts";
import { authorization, type HttpCredentials } from "./credentials.ts";
import { Exchange, type ExchangeOptions } from "./exchange.ts";
import type { HttpProtocol, Verdict } from "./protocol.ts";
import { type Item, Parcel } from "./queue.ts";

/** Where to deliver, and in what portions. */
export interface HttpSinkOptions extends ExchangeOptions {
  readonly protocol: HttpProtocol;
  readonly compression: "gzip" | "zstd" | "none";
  /** Size of a body, before compression, that ends a request; one record alone may be larger. */
  readonly maxRequestBytes: number;
  readonly maxRequestRecords: number;
  /** How long a request waits for more records when it has fewer; 0: not at all. */
  readonly batchWaitMs: number;
  readonly credentials?: HttpCredentials | undefined;
  /** Own version, for `User-Agent`. */
  readonly version: string;
}

/** Opens the sink; it connects at the first batch. The caller disposes it. */
export function openHttpSink(options: HttpSinkOptions): Sink {
  return new HttpSink(options);
}

interface Waiting {
  readonly parcel: Parcel;
  readonly resolve: (rejections: readonly Rejection[]) => void;
  readonly reject: (error: unknown) => void;
  readonly forgetSignal: () => void;
}

class HttpSink implements Sink {
  readonly id: string;
  readonly batchRecords = 1_024;
  /** A request on its way, and one that is gathered meanwhile. */
  readonly flightBytes: number;
  readonly #options: HttpSinkOptions;
  readonly #exchange: Exchange;
  /** Oldest first. */
  readonly #waiting: Waiting[] = [];
  /** What was settled of batches whose sending failed. */
  readonly #begun = new WeakMap<Batch, Parcel>();
  #failure: { readonly error: unknown } | undefined;
  #working = false;
  /** Ends what the work is at; aborted when a caller gives up. */
  #cut = new AbortController();
  /** Ends the wait for more records. */
  #full = new AbortController();
  #notBeforeMs = 0;
  /** Requests refused as a whole since the last one was begun. */
  #searches = 0;
  /** Shrinks when the peer finds a request too large. */
  #maxRequestBytes: number;
  /** Encoded bytes per byte of a record, as the last request had them. */
  #growth = 1;

  constructor(options: HttpSinkOptions) {
    this.id = options.id;
    this.#options = options;
    this.#exchange = new Exchange(options);
    this.#maxRequestBytes = options.maxRequestBytes;
    this.flightBytes = Math.max(minFlightBytes, Math.min(maxFlightBytes, 2 * options.maxRequestBytes));
  }

  send(batch: Batch, signal: AbortSignal): Promise<readonly Rejection[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    if (signal.aborted) return Promise.reject(new PeerError(`Cannot deliver to ${this.#address}: stopped`));
    const parcel = this.#begun.get(batch) ?? new Parcel(batch);
    parcel.rewind();
    if (parcel.open === 0) return Promise.resolve(parcel.rejections);
    const { promise, resolve, reject } = Promise.withResolvers<readonly Rejection[]>();
    const onAbort = (): void => {
      this.#cut.abort();
      this.#fail(new PeerError(`Cannot deliver to ${this.#address}: stopped`));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const forgetSignal = (): void => signal.removeEventListener("abort", onAbort);
    this.#waiting.push({ parcel, resolve, reject, forgetSignal });
    if (this.#isFull()) this.#full.abort();
    if (!this.#working) this.#work();
    return promise;
  }

  reset(): void {
    this.#failure = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#cut.abort();
    this.#fail(new PeerError(`Cannot deliver to ${this.#address}: the sink is closed`));
    this.#exchange[Symbol.dispose]();
    return Promise.resolve();
  }

  get #address(): string {
    return formatAddress(this.#options.host, this.#options.port);
  }

  /** One request after the other, until nothing waits. */
  async #work(): Promise<void> {
    this.#working = true;
    this.#cut = new AbortController();
    const { signal } = this.#cut;
    try {
      while (this.#waiting.length > 0 && !signal.aborted) {
        if (!this.#isFull()) await this.#gather(signal);
        const waitMs = this.#notBeforeMs - performance.now();
        if (waitMs > 0) await pause(waitMs, signal);
        if (signal.aborted) break;
        this.#searches = 0;
        await this.#deliver(this.#takeItems(), signal);
        this.#resolveSettled();
      }
    } catch (error) {
      if (!signal.aborted) this.#fail(error); // whoever aborted has told the callers
    } finally {
      this.#working = false;
    }
    if (this.#waiting.length > 0) this.#work(); // came after a failure was forgotten
  }

  async #gather(signal: AbortSignal): Promise<void> {
    if (this.#options.batchWaitMs === 0) return;
    this.#full = new AbortController();
    await pause(this.#options.batchWaitMs, signal, this.#full.signal);
  }

  /** Whether what waits fills a request, about. */
  #isFull(): boolean {
    let records = 0;
    let bytes = 0;
    for (const { parcel: { batch, open } } of this.#waiting) {
      records += open;
      bytes += batch.bounds[2 * batch.count - 1]! - batch.bounds[0]!;
      if (records >= this.#options.maxRequestRecords || bytes * this.#growth >= this.#maxRequestBytes) return true;
    }
    return false;
  }

  /** The next records, oldest first, as many as fit by their own size. */
  #takeItems(): Item[] {
    const items: Item[] = [];
    let bytes = 0;
    for (const { parcel } of this.#waiting) {
      for (let index = parcel.take(); index >= 0; index = parcel.take()) {
        const { bounds } = parcel.batch;
        bytes += bounds[2 * index + 1]! - bounds[2 * index]!;
        const fits = bytes * this.#growth <= this.#maxRequestBytes && items.length < this.#options.maxRequestRecords;
        if (!fits && items.length > 0) {
          parcel.untake();
          return items;
        }
        items.push({ parcel, index });
      }
    }
    return items;
  }

  /** Sends the items in as many requests as their encoded size takes. @throws when some are to be sent again */
  async #deliver(items: readonly Item[], signal: AbortSignal): Promise<void> {
    const { body } = this.#options.protocol;
    for (let first = 0; first < items.length;) {
      body.clear();
      let end = first;
      let bytes = 0;
      while (end < items.length && (end === first || body.length < this.#maxRequestBytes)) {
        const { parcel, index } = items[end++]!;
        body.add(parcel.batch, index);
        bytes += parcel.batch.bounds[2 * index + 1]! - parcel.batch.bounds[2 * index]!;
      }
      this.#growth = Math.max(1, body.length / Math.max(1, bytes));
      await this.#deliverOne(items.slice(first, end), body.finish(), signal);
      first = end;
    }
  }

  async #deliverOne(items: readonly Item[], body: Uint8Array, signal: AbortSignal): Promise<void> {
    const sizeBytes = body.length;
    const answer = await this.#post(body, signal);
    this.#noteRetryAfter(answer);
    let verdict: Verdict;
    try {
      verdict = this.#options.protocol.judge(answer, items.length);
    } catch (error) {
      this.#exchange.failed();
      throw new PeerError(`Cannot deliver to ${this.#address}: ${errorText(error)}`, { cause: error });
    }
    switch (verdict.kind) {
      case "held":
        return items.forEach(({ parcel, index }) => parcel.settle(index));
      case "refused":
        return settleRefused(items, verdict.reason);
      case "again":
        if (answer.status >= 500 || answer.status < 400) this.#exchange.failed();
        throw new PeerError(`Cannot deliver to ${this.#address}: ${verdict.reason}`);
      case "mixed":
        return this.#settleMixed(items, verdict.outcomes);
      case "tooLarge":
        if (items.length > 1) this.#maxRequestBytes = Math.min(this.#maxRequestBytes, Math.ceil(sizeBytes / 2));
        return await this.#deliverHalves(items, verdict.reason, signal);
      case "search":
        if (++this.#searches > maxSearches) return settleRefused(items, verdict.reason);
        return await this.#deliverHalves(items, verdict.reason, signal);
    }
  }

  /** The first half and then the second; one record alone is refused. */
  async #deliverHalves(items: readonly Item[], reason: string, signal: AbortSignal): Promise<void> {
    if (items.length === 1) return settleRefused(items, reason);
    const middle = items.length >> 1;
    await this.#deliver(items.slice(0, middle), signal);
    await this.#deliver(items.slice(middle), signal);
  }

  #settleMixed(items: readonly Item[], outcomes: readonly { state: string; reason: string }[]): void {
    let again = 0;
    let reason = "";
    items.forEach(({ parcel, index }, i) => {
      const outcome = outcomes[i]!;
      if (outcome.state === "held") parcel.settle(index);
      else if (outcome.state === "refused") parcel.settle(index, outcome.reason);
      else if (again++ === 0) reason = outcome.reason;
    });
    if (again > 0) {
      throw new PeerError(
        `Cannot deliver to ${this.#address}: ${again} of ${items.length} records are to be sent again: ${reason}`,
      );
    }
  }

  async #post(body: Uint8Array, signal: AbortSignal): Promise<HttpAnswer> {
    const { protocol, credentials, compression, host, port, version } = this.#options;
    const packed = await compress(body, compression);
    const head = encodeRequestHead(protocol.method, protocol.path, {
      Host: formatAddress(host, port),
      "User-Agent": `agent/${version}`,
      Accept: "*/*",
      ...protocol.headers,
      ...(credentials === undefined ? {} : authorization(credentials)),
      ...(compression === "none" ? {} : { "Content-Encoding": compression }),
      "Content-Length": String(packed.length),
    });
    return await this.#exchange.request([head, packed], signal);
  }

  #noteRetryAfter({ status, headers }: HttpAnswer): void {
    const waitMs = status < 300 ? undefined : parseRetryAfterMs(headers.get("retry-after"), Date.now());
    if (waitMs !== undefined) this.#notBeforeMs = performance.now() + Math.min(waitMs, maxRetryAfterMs);
  }

  #resolveSettled(): void {
    while (this.#waiting.length > 0 && this.#waiting[0]!.parcel.open === 0) {
      const { parcel, resolve, forgetSignal } = this.#waiting.shift()!;
      forgetSignal();
      resolve(parcel.rejections);
    }
  }

  #fail(error: unknown): void {
    this.#resolveSettled();
    this.#failure ??= { error };
    for (const { parcel, reject, forgetSignal } of this.#waiting.splice(0)) {
      if (parcel.isBegun) this.#begun.set(parcel.batch, parcel);
      forgetSignal();
      reject(error);
    }
  }
}

function settleRefused(items: readonly Item[], reason: string): void {
  for (const { parcel, index } of items) parcel.settle(index, reason);
}

async function compress(body: Uint8Array, compression: HttpSinkOptions["compression"]): Promise<Uint8Array> {
  if (compression === "none") return body.slice(); // the protocol's buffer is used again
  if (compression === "zstd") return await asyncZstd(body, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  return await asyncGzip(body, { level: 1 }); // logs shrink to a tenth at the fastest level; the others cost more than they save
}

/** Enough to find a few bad records among thousands; where most are bad, parts are refused as a whole. */
const maxSearches = 64;
/** Batches of a quarter of this come from files. */
const minFlightBytes = 512 * 1024;
const maxFlightBytes = 16 * 1024 * 1024;
/** A server that asks for more than this is asked again earlier: a mistake of its must not silence us for days. */
const maxRetryAfterMs = 600_000;
const asyncGzip = promisify(gzip) as (bytes: Uint8Array, options: { level: number }) => Promise<Uint8Array>;
const asyncZstd = promisify(zstdCompress) as unknown as (
  bytes: Uint8Array,
  options: { params: Readonly<Record<number, number>> },
) => Promise<Uint8Array>;
