/** Secrets by value: those that are known before, and those that were masked, a bounded number of them. */

/** The values of one dump; they never leave the memory of the process. */
export class LearnedSecrets {
  readonly #values = new Map<string, Uint8Array>();
  #version = 0;
  #learned = 0;

  /** @param literals secrets known from the beginning; each line of one counts on its own */
  constructor(literals: readonly string[]) {
    for (const literal of literals) {
      for (const line of literal.split("\n")) {
        if (line.trim().length >= minLiteral) this.#values.set(line.trim(), encoder.encode(line.trim()));
      }
    }
  }

  /** Changes with every new value. */
  get version(): number {
    return this.#version;
  }

  /** All values, the beginnings of the long ones. */
  values(): Iterable<Uint8Array> {
    return this.#values.values();
  }

  /** Keeps a value that was masked, if it is unlike any word: only then does seeing it elsewhere mean anything. */
  add(_rule: string, value: Uint8Array): void {
    if (this.#learned >= maxLearned || value.length < minLearned) return;
    const text = decoder.decode(value.subarray(0, maxKept));
    if (this.#values.has(text) || !looksRandom(text)) return;
    this.#values.set(text, value.slice(0, maxKept));
    this.#learned++;
    this.#version++;
  }
}

/** Digits and letters mixed, many different ones, no blanks: no word, date, path or version. */
function looksRandom(text: string): boolean {
  if (/[\s\ufffd]/.test(text) || /^[\d.:,TZ+-]+$/.test(text) || text.includes("://") || text.startsWith("/")) {
    return false;
  }
  if (text.includes("[redacted]")) return false;
  return /\d.*\d/.test(text) && /[A-Za-z].*[A-Za-z]/.test(text) && new Set(text).size >= 6;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const minLiteral = 4;
const minLearned = 8;
const maxKept = 48;
const maxLearned = 256;
