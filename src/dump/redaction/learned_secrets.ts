/** Secrets by value: those that are known before, and those that were masked, a bounded number of them. */

/** A value to look for. */
export interface KnownSecret {
  readonly bytes: Uint8Array;
  /** Only its beginning is known here: where that stands, the whole word is it. */
  readonly isBeginning: boolean;
}

/** Who is told of what is masked. */
export interface SecretLearner {
  /** Gets every secret that was masked for its looks. */
  learn(rule: string, value: Uint8Array): void;
  /** Gets every secret that was masked for its place. */
  learnPlaced(value: Uint8Array): void;
}

/** The values of one dump; they never leave the memory of the process. */
export class LearnedSecrets implements SecretLearner {
  readonly #values = new Map<string, KnownSecret>();
  #version = 0;
  #byLooks = 0;
  #byPlace = 0;

  /** @param literals secrets known from the beginning; each line of one counts on its own */
  constructor(literals: readonly string[]) {
    for (const literal of literals) {
      for (const line of literal.split("\n")) {
        const text = line.trim();
        if (text.length >= minLiteral) this.#values.set(text, { bytes: encoder.encode(text), isBeginning: false });
      }
    }
  }

  /** How many were learned; changes with every new value. */
  get version(): number {
    return this.#version;
  }

  /** All values, the beginnings of the long ones. */
  values(): Iterable<KnownSecret> {
    return this.#values.values();
  }

  /** Keeps what a pattern masked, word by word, if it is unlike any word: only then does seeing it elsewhere mean anything. */
  learn(_rule: string, value: Uint8Array): void {
    if (this.#byLooks >= maxLearned || value.length < minLearned) return;
    for (const word of wordsOf(value)) {
      if (this.#values.has(word.slice(0, maxKept))) continue; // one that comes again and again is looked at once
      if (this.#byLooks < maxLearned && looksRandom(word) && this.#keep(word)) this.#byLooks++;
    }
  }

  /**
   * Keeps what stands in a place for secrets: data of a Kubernetes Secret, the value below a key `password`. It need not
   * look random, only be no name and no word of a language. What is base64 counts decoded, too.
   */
  learnPlaced(value: Uint8Array): void {
    if (this.#byPlace >= maxLearned || value.length < minLearned) return;
    for (const word of wordsOf(value)) {
      const decoded = decodedOf(word);
      for (const one of decoded === undefined ? [word] : [word, decoded]) {
        if (this.#byPlace < maxLearned && isTelling(one) && this.#keep(one)) this.#byPlace++;
      }
    }
  }

  #keep(word: string): boolean {
    const text = word.slice(0, maxKept);
    if (this.#values.has(text)) return false;
    this.#values.set(text, { bytes: encoder.encode(text), isBeginning: text.length < word.length });
    this.#version++;
    return true;
  }
}

/** The words of a value, without the quotes around it; a few only of a long text. */
function wordsOf(value: Uint8Array): readonly string[] {
  const text = decoder.decode(value.subarray(0, maxSeen)).replaceAll(/^["']|["',]+$/g, "");
  return text.split(/\s+/).filter((word) => word.length >= minLearned && !/[\ufffd\0]/.test(word)).slice(0, maxWords);
}

/** The text that is in base64 there, where it is one line of a text. */
function decodedOf(word: string): string | undefined {
  if (word.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(word)) return undefined;
  const text = atob(word).trim();
  return text.length >= minLearned && /^[\x21-\x7e]+$/.test(text) ? text : undefined;
}

/** Digits and letters mixed, many different ones: no word, date, path or version. */
function looksRandom(text: string): boolean {
  return !isOrdinary(text) && /\d.*\d/.test(text) && /[A-Za-z].*[A-Za-z]/.test(text) && new Set(text).size >= 6;
}

/** Whether it is no name, host, number, path, address or date: no string of whole words and whole numbers. */
function isTelling(text: string): boolean {
  if (isOrdinary(text) || new Set(text).size < 5) return false;
  if (/^[\w-]+(\.[\w-]+)+(:\d+)?$/.test(text)) return looksRandom(text) && !/\.[a-z]{2,}(:\d+)?$/.test(text); // a host
  return !text.split(/[-._:/@,;]/).every((part) => /^(?:[A-Za-z]?[a-z]*|[A-Z]*|\d*)$/.test(part));
}

function isOrdinary(text: string): boolean {
  return /^[\d.:,TZ+-]+$/.test(text) || text.includes("://") || text.startsWith("/") || text.includes("[redacted]");
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const minLiteral = 4;
const minLearned = 8;
/** With all of them kept, the tables of both searches take some 60 MiB. */
const maxKept = 32;
const maxLearned = 256;
const maxSeen = 4_096;
const maxWords = 8;
