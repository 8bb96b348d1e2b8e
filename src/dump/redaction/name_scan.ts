/** Replaces every known name and every secret known by value in a block of text, in one pass. */
import type { ByteBuffer } from "./byte_buffer.ts";
import type { Identities } from "./identities.ts";
import type { KnownSecret } from "./learned_secrets.ts";
import { isAlnum, type Literal, LiteralSet } from "./literals.ts";
import { isCommonName, type Names } from "./names.ts";
import type { Tally } from "./tally.ts";
import { writtenForms } from "./written_forms.ts";

/** One word, and what takes its place. */
interface Entry extends Literal {
  readonly rule: "host" | "domain" | "user" | "word" | "secret" | "mac";
  readonly mask: Uint8Array;
  /** It is the beginning of a secret: the rest of the word goes too. */
  readonly isBeginning?: boolean;
}

/** What is looked for. */
export interface KnownWords {
  readonly identities: Identities;
  /** Words of the user that become `word-…`. */
  readonly words: readonly string[];
  /** Secrets by value. */
  readonly secrets: Iterable<KnownSecret>;
}

/** Known names and values of one dump. */
export class NameScan {
  readonly #set: LiteralSet;
  readonly #entries: readonly Entry[];
  readonly #names: Names;

  constructor(known: KnownWords, names: Names) {
    this.#names = names;
    const entries = entriesOf(known, names);
    this.#set = new LiteralSet(entries);
    this.#entries = this.#set.literals as readonly Entry[];
  }

  /** Appends `bytes[start..end)` to `out`, with every known name replaced. */
  apply(bytes: Uint8Array, start: number, end: number, out: ByteBuffer, tally: Tally): void {
    if (this.#set.isEmpty) return out.append(bytes, start, end);
    let at = start;
    let best: { start: number; end: number; entry: Entry } | undefined;
    const commit = (): void => {
      const { start: from, entry } = best!;
      const to = entry.isBeginning === true ? endOfWord(bytes, best!.end, end) : best!.end;
      const begin = entry.rule === "domain" ? this.#labelsBefore(bytes, at, from, out) : from;
      if (begin === from) out.append(bytes, at, from);
      out.append(entry.mask);
      tally.add(entry.rule === "domain" ? "host" : entry.rule);
      at = to;
      best = undefined;
    };
    this.#set.search(bytes, start, end, (from, to, index) => {
      if (best !== undefined && from >= best.end) commit();
      if (from < at) {
        if (best === undefined && this.#entries[index]!.rule === "secret" && to > at) {
          best = { start: at, end: to, entry: this.#entries[index]! };
        }
        return;
      }
      if (best === undefined || from < best.start || (from === best.start && to > best.end)) {
        best = { start: from, end: to, entry: this.#entries[index]! };
      } else if (this.#entries[index]!.rule === "secret" && to > best.end) {
        best = { start: best.start, end: to, entry: this.#entries[index]! };
      }
    });
    if (best !== undefined) commit();
    out.append(bytes, at, end);
  }

  /** Hosts of a known domain are hosts, known or not: writes up to the domain; returns where the labels begin. */
  #labelsBefore(bytes: Uint8Array, at: number, domain: number, out: ByteBuffer): number {
    if (domain - 1 < at || bytes[domain - 1] !== 46) return domain;
    let begin = domain - 1;
    while (begin > at && domain - begin < 256 && isLabelByte(bytes[begin - 1]!)) begin--;
    while (begin < domain - 1 && !isAlnum(bytes[begin]!)) begin++;
    if (begin >= domain - 1) return domain;
    out.append(bytes, at, begin);
    out.append(encoder.encode(`${this.#names.labels(decoder.decode(bytes.subarray(begin, domain - 1)))}.`));
    return begin;
  }
}

function entriesOf({ identities, words, secrets }: KnownWords, names: Names): readonly Entry[] {
  const entries = new Map<string, Entry>();
  const add = (
    text: string | Uint8Array,
    rule: Entry["rule"],
    mask: string,
    exact = false,
    isBeginning = false,
  ): void => {
    const bytes = typeof text === "string" ? encoder.encode(text) : text;
    const key = `${exact}${latin1(bytes)}`;
    if (bytes.length === 0 || entries.has(key)) return;
    const whole = rule !== "secret" && rule !== "mac";
    entries.set(key, { bytes, whole, exact, id: entries.size, rule, mask: encoder.encode(mask), isBeginning });
  };
  for (const { bytes, isBeginning } of secrets) {
    for (const form of writtenForms(bytes)) add(form.bytes, "secret", "[redacted]", true, isBeginning);
  }
  for (const word of words) add(word, "word", names.of("word", word));
  for (const domain of identities.domains) add(domain, "domain", names.host(domain));
  for (const host of identities.hosts) {
    if (host.includes(".")) add(host, "host", names.host(host));
    const short = host.split(".")[0]!;
    if (isCommonName(short)) continue;
    for (const form of new Set([short, short.replaceAll("-", "_")])) add(form, "host", names.host(short));
  }
  for (const user of identities.users) if (!isCommonName(user)) add(user, "user", names.user(user));
  // A name within an encoding is nobody's pseudonym: it is masked.
  for (const name of [...identities.hosts, ...identities.users, ...identities.domains]) {
    if (isCommonName(name)) continue;
    for (const form of writtenForms(encoder.encode(name))) {
      if (form.encoded) add(form.bytes, "secret", "[redacted]", true);
    }
  }
  for (const mac of identities.macs) add(mac.replaceAll(":", ""), "mac", names.mac(mac));
  return [...entries.values()];
}

/** Where a word of base64, hexadecimal or of a token ends. */
function endOfWord(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && at - from < 8_192 && (isAlnum(bytes[at]!) || wordBytes.includes(bytes[at]!))) at++;
  return at;
}

function isLabelByte(byte: number): boolean {
  return isAlnum(byte) || byte === 45 || byte === 95 || byte === 46;
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

const wordBytes = new TextEncoder().encode("+/=_-");
const encoder = new TextEncoder();
const decoder = new TextDecoder();
