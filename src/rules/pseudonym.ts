/** Pseudonyms: the same value has the same one everywhere, and without the key nobody can go back. */
import { createHmac } from "node:crypto";

/**
 * Makes pseudonyms such as `ip-q2ks7xw3ma`: ten letters of base32 of HMAC-SHA-256 over kind and value. The newest ones
 * are remembered, a bounded number of them.
 */
export class Pseudonyms {
  readonly #key: Uint8Array;
  readonly #known = new Map<string, Uint8Array>();

  /** @param key at least 16 secret bytes; the same key makes the same pseudonyms */
  constructor(key: Uint8Array) {
    if (key.length < 16) throw new Error("the key of pseudonyms has less than 16 bytes");
    this.#key = key;
  }

  /** The pseudonym of a value; upper and lower case are alike. */
  of(kind: string, value: string): Uint8Array {
    const name = `${kind}\0${value.toLowerCase()}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const digest = createHmac("sha256", this.#key).update(name).digest();
    let text = `${kind}-`;
    for (let i = 0; i < 10; i++) text += alphabet[digest[i]! & 31];
    const pseudonym = encoder.encode(text);
    if (this.#known.size >= maxKnown) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(name, pseudonym);
    return pseudonym;
  }
}

/** Base32 without digits: a pseudonym is never taken for a number or an address. */
const alphabet = "abcdefghijklmnopqrstuvwxyzACDEFG";
const encoder = new TextEncoder();
const maxKnown = 4_096;
