/**
 * Kubernetes Secrets in JSON, however it is written: the values in `data` and `stringData` of an object that is of
 * `"kind": "Secret"`. The kind may stand behind the data, so output waits until it is known, up to 4 MiB; what is still
 * unknown then is masked. Bytes in, bytes out, in any chunks; text that is no JSON passes unchanged.
 */
import { secretName } from "../../rules/redact_presets.ts";
import { ByteBuffer } from "./byte_buffer.ts";
import { endOfString, isKey, looksEncoded, unescaped } from "./json_text.ts";
import type { SecretLearner } from "./learned_secrets.ts";
import type { Tally } from "./tally.ts";

/** An object or array that is open. */
interface Frame {
  readonly isObject: boolean;
  kind: "secret" | "secrets" | "other" | undefined;
  /** The value to come belongs to this key. */
  key: string;
  expectsKey: boolean;
  /** Values of `data` that wait for the kind: places in the output. */
  spans: { readonly start: number; end: number }[];
  /** `"name"` sounds secret, so `"value"` is. */
  secretEntry: boolean;
}

/** One text. */
export class JsonSecrets {
  readonly #out = new ByteBuffer();
  readonly #tally: Tally;
  readonly #emit: (bytes: Uint8Array) => void;
  readonly #learner: SecretLearner;
  #frames: Frame[] = [];
  #inString = false;
  #escaped = false;
  /** Where the string began in the output. */
  #stringStart = 0;
  /** The string is a value that must not be seen: dropped while it comes. */
  #hidden = false;
  /** Characters of the string, the first 256. */
  readonly #text = new ByteBuffer(512);
  /** Depth at which data that were too large are being masked; 0 for none. */
  #maskedDepth = 0;

  /** @param emit gets what is ready, valid during the call only */
  constructor(emit: (bytes: Uint8Array) => void, tally: Tally, learner: SecretLearner) {
    this.#emit = emit;
    this.#tally = tally;
    this.#learner = learner;
  }

  /** Takes bytes. */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      // How much may wait is counted in bytes, not in chunks: the outcome must not depend on how the text came.
      const limit = Math.min(bytes.length, at + this.#room());
      at = this.#inString ? this.#string(bytes, at, limit) : this.#structure(bytes, at, limit);
    }
    this.#flush();
  }

  /** The text has ended; objects that are still open are decided as they are. */
  end(): void {
    if (this.#inString && this.#hidden) this.#out.append(maskBytes);
    while (this.#frames.length > 0) this.#closeFrame();
    this.#flush();
  }

  /** Bytes that may still come before what waits is too much; at least 1. */
  #room(): number {
    const first = this.#firstWaiting();
    if (first < 0) return Infinity;
    const room = first + maxHeldBytes - this.#out.length;
    if (room > 0) return room;
    this.#giveUp();
    return 1;
  }

  /** Up to the end of the string; returns where to go on. */
  #string(bytes: Uint8Array, from: number, limit: number): number {
    let at = from;
    if (this.#escaped) {
      this.#escaped = false;
      at++;
    }
    while (at < limit) {
      const byte = bytes[at]!;
      if (byte === quote || byte === 10) break;
      if (byte === backslash) at++;
      at++;
    }
    if (at > limit) {
      this.#escaped = true; // its second character is yet to come
      at = limit;
    }
    if (this.#text.length < maxKey) this.#text.append(bytes, from, Math.min(at, from + maxKey));
    if (!this.#hidden) this.#out.append(bytes, from, at);
    if (at === limit) return at;
    if (this.#hidden) this.#endHidden();
    this.#inString = false;
    if (bytes[at] === 10) { // a string has no line feed: this is no JSON, or its end is missing
      while (this.#frames.length > 0) this.#closeFrame();
      return at;
    }
    this.#out.push(quote);
    this.#stringEnded();
    return at + 1;
  }

  /** Puts the mask in its place; what was hidden is a secret unless it is a whole object in a string. */
  #endHidden(): void {
    this.#hidden = false;
    this.#out.append(maskBytes);
    const text = this.#text.bytes.subarray(0, Math.min(this.#text.length, maxKey));
    if (text[0] !== openBrace && text[0] !== openBracket) this.#learner.learnPlaced(text);
  }

  #structure(bytes: Uint8Array, from: number, limit: number): number {
    let at = from;
    while (at < limit && meaning[bytes[at]!] === 0) at++;
    this.#out.append(bytes, from, at);
    if (at === limit) return at;
    const byte = bytes[at]!;
    if (byte === quote) this.#openString();
    else if (byte === openBrace || byte === openBracket) this.#openFrame(byte === openBrace);
    else {
      if (byte === comma && this.#top !== undefined) this.#top.expectsKey = this.#top.isObject;
      this.#out.push(byte);
      if (byte === 125 || byte === 93) this.#closeFrame();
    }
    return at + 1;
  }

  get #top(): Frame | undefined {
    return this.#frames.at(-1);
  }

  #openString(): void {
    this.#out.push(quote);
    this.#inString = true;
    this.#text.length = 0;
    this.#stringStart = this.#out.length;
    const top = this.#top;
    const isValue = top === undefined || !top.expectsKey;
    this.#hidden = isValue &&
      (this.#maskedDepth > 0 || top?.key === lastApplied || (top?.secretEntry === true && top.key === "value"));
    if (this.#hidden) {
      this.#tally.add(
        top?.key === lastApplied ? "last-applied" : this.#maskedDepth > 0 ? "kubernetes-secret" : "environment",
      );
    }
  }

  #stringEnded(): void {
    const top = this.#top;
    if (top === undefined || !top.isObject) return;
    const isWanted = top.expectsKey || top.key === "kind" || top.key === "type" || top.key === "name";
    if (!isWanted) return;
    const text = unescaped(latin1.decode(this.#text.bytes.subarray(0, Math.min(this.#text.length, maxKey))));
    if (top.expectsKey) {
      top.key = text;
      top.expectsKey = false;
    } else if (top.key === "kind") {
      top.kind = text === "Secret" ? "secret" : text === "SecretList" ? "secrets" : "other";
    } else if (top.key === "type" && top.kind === undefined && secretType.test(text)) top.kind = "secret";
    else if (top.key === "name") top.secretEntry = secretWord.test(text);
  }

  #openFrame(isObject: boolean): void {
    const parent = this.#top;
    const key = parent?.isObject === true ? parent.key : "";
    if (key === "data" || key === "stringData") parent!.spans.push({ start: this.#out.length, end: -1 });
    if (this.#frames.length >= maxDepth) throw new Error("JSON is nested too deeply to be redacted");
    this.#frames.push({ isObject, kind: undefined, key: "", expectsKey: isObject, spans: [], secretEntry: false });
    this.#out.push(isObject ? openBrace : openBracket);
  }

  #closeFrame(): void {
    const frame = this.#frames.pop();
    if (frame === undefined) return;
    if (this.#frames.length <= this.#maskedDepth) this.#maskedDepth = 0;
    this.#decide(frame);
    const span = this.#top?.spans.at(-1);
    if (span?.end === -1 && (this.#top!.key === "data" || this.#top!.key === "stringData")) span.end = this.#out.length;
  }

  #decide(frame: Frame): void {
    if (frame.spans.length === 0) return;
    const inList = this.#frames.some(({ kind }) => kind === "secrets");
    for (const span of frame.spans.toReversed()) {
      const end = span.end < 0 ? this.#out.length : span.end;
      const isSecret = frame.kind === "secret" || inList ||
        (frame.kind === undefined && looksEncoded(this.#out.bytes, span.start, end));
      if (isSecret) this.#mask(span.start, end);
    }
    frame.spans = [];
  }

  /** Masks every string that is a value in a part of the output. */
  #mask(start: number, end: number): void {
    const part = this.#out.copy(start, end);
    const rest = this.#out.copy(end);
    this.#out.length = start;
    let kept = 0;
    for (let at = 0; at < part.length; at++) {
      if (part[at] !== quote) continue;
      const stop = endOfString(part, at);
      // The string that is being hidden gets its mask when it ends.
      if (!isKey(part, stop) && !(this.#hidden && stop >= part.length)) {
        this.#out.append(part, kept, at + 1);
        this.#out.append(maskBytes);
        kept = Math.min(stop, part.length);
        this.#tally.add("kubernetes-secret");
        this.#learner.learnPlaced(part.subarray(at + 1, kept));
      }
      at = stop;
    }
    this.#out.append(part, kept);
    this.#out.append(rest);
  }

  /** Too much waits for its kind: masked, what is there and what still comes of it. */
  #giveUp(): void {
    for (const [depth, frame] of this.#frames.entries()) {
      const span = frame.spans.at(-1);
      if (frame.spans.length === 0 || frame.kind === "other") continue;
      if (span!.end < 0 && this.#maskedDepth === 0) this.#maskedDepth = depth + 1;
      if (span!.end < 0 && this.#inString && this.#isValueString) {
        this.#hidden = true;
        this.#out.length = this.#stringStart;
      }
      for (const { start, end } of frame.spans.toReversed()) this.#mask(start, end < 0 ? this.#out.length : end);
      // Decided: what is left of an open one is masked while it comes.
      frame.spans = [];
    }
  }

  get #isValueString(): boolean {
    return this.#top?.expectsKey !== true;
  }

  /** Place of the first span that waits; -1 when none does. */
  #firstWaiting(): number {
    for (const frame of this.#frames) {
      if (frame.spans.length > 0 && frame.kind !== "other") return frame.spans[0]!.start;
    }
    return -1;
  }

  /** Hands out everything before the first span that waits. */
  #flush(): void {
    const first = this.#firstWaiting();
    const ready = first < 0 ? this.#out.length : first;
    if (ready <= 0) return;
    this.#emit(this.#out.bytes.subarray(0, ready));
    this.#out.shift(ready);
    this.#stringStart = Math.max(0, this.#stringStart - ready);
    for (const frame of this.#frames) {
      frame.spans = frame.spans.map(({ start, end }) => ({ start: start - ready, end: end < 0 ? -1 : end - ready }));
    }
  }
}

const quote = 34;
const backslash = 92;
const openBrace = 123;
const openBracket = 91;
const comma = 44;
const colon = 58;
const meaning = new Uint8Array(256);
for (const byte of [quote, openBrace, 125, openBracket, 93, comma, colon]) meaning[byte] = 1;
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";
const secretWord = new RegExp(`${secretName}$`, "i");
const secretType = /^(?:Opaque$|kubernetes\.io\/|bootstrap\.kubernetes\.io\/|helm\.sh\/release)/;
const maskBytes = new TextEncoder().encode("[redacted]");
const latin1 = new TextDecoder("latin1");
const maxKey = 256;
const maxDepth = 1_000;
const maxHeldBytes = 4 * 1024 * 1024;
