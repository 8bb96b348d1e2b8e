/** So many requests per minute and address. Pure: the time comes from outside. */

/** A bucket per address; memory is bounded, the longest unused one is forgotten first. */
export class RateLimit {
  readonly #perMinute: number;
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  /** @param perMinute requests per minute and address, also at once; 0: no limit */
  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** Takes a token. @returns undefined, or milliseconds until there is one again */
  take(address: string, nowMs: number): number | undefined {
    if (this.#perMinute === 0) return undefined;
    const bucket = this.#bucket(address, nowMs);
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) * 60_000 / this.#perMinute);
    bucket.tokens -= 1;
    return undefined;
  }

  /** Makes a failure cost more than a success: guessing is to be slow. */
  punish(address: string, tokens: number, nowMs: number): void {
    if (this.#perMinute === 0) return;
    const bucket = this.#bucket(address, nowMs);
    bucket.tokens = Math.max(-this.#perMinute, bucket.tokens - tokens);
  }

  #bucket(address: string, nowMs: number): { tokens: number; atMs: number } {
    const key = networkOf(address);
    const old = this.#buckets.get(key) ?? { tokens: this.#perMinute, atMs: nowMs };
    this.#buckets.delete(key); // and in again at the end: the map is in the order of use
    const gained = Math.max(0, nowMs - old.atMs) * this.#perMinute / 60_000;
    const bucket = { tokens: Math.min(this.#perMinute, old.tokens + gained), atMs: nowMs };
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > maxBuckets) this.#buckets.delete(this.#buckets.keys().next().value!);
    return bucket;
  }
}

/** IPv6 hosts have a network of 2^64 addresses each: the network counts. */
function networkOf(address: string): string {
  if (!address.includes(":") || address.includes(".")) return address;
  const [head, tail] = address.split("::");
  const groups = head === "" ? [] : head!.split(":");
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === "" ? 0 : tail.split(":").length);
  return [...groups, ...Array.from({ length: missing }, () => "0"), ...(tail ?? "").split(":")].slice(0, 4).join(":");
}

const maxBuckets = 10_000;
