/** The last look before a file is sealed: is anything that is known to be secret, or somebody's name, still in it? */
import type { Leak } from "../redaction.ts";
import { gunzip } from "../gzip_stream.ts";
import { ByteBuffer } from "./byte_buffer.ts";
import { formOf, peek } from "./content.ts";
import type { Identities } from "./identities.ts";
import type { KnownSecret } from "./learned_secrets.ts";
import { type Literal, LiteralSet } from "./literals.ts";
import { isCommonDomain, isCommonName } from "./names.ts";
import { isDigit } from "./addresses.ts";
import { writtenForms } from "./written_forms.ts";

interface Sought extends Literal {
  readonly rule: string;
}

/** What is looked for. */
export interface KnownValues {
  readonly identities: Identities;
  readonly secrets: Iterable<KnownSecret>;
  readonly words: readonly string[];
  /** Addresses that also are replacements of others. */
  readonly ambiguous: ReadonlySet<string>;
}

/** Searches contents. */
export class LeakSearch {
  readonly #set: LiteralSet;
  readonly #overlapBytes: number;

  constructor(known: KnownValues) {
    this.#set = new LiteralSet(soughtIn(known));
    this.#overlapBytes = 2 + this.#set.literals.reduce((most, { bytes }) => Math.max(most, bytes.length), 0);
  }

  /** The first 100 places, also inside gzip. */
  async search(content: AsyncIterable<Uint8Array>, depth = 0): Promise<readonly Leak[]> {
    const { head, all } = await peek(content);
    if (formOf(head) === "gzip" && depth < 3) return await this.search(gunzip(all), depth + 1);
    const leaks: Leak[] = [];
    const buffer = new ByteBuffer();
    let offset = 0;
    let from = 0;
    const look = (limit: number): void => {
      this.#set.search(buffer.bytes, 0, limit, (start, end, index) => {
        // What ends in the part that was seen before was found then; what touches the end is looked at again.
        if (end <= from || leaks.length >= maxLeaks) return;
        const { rule } = this.#set.literals[index] as Sought;
        if (rule === "address" && isPartOfNumber(buffer.bytes, start, end, limit)) return;
        leaks.push({ rule, offset: offset + start });
      });
    };
    for await (const chunk of all) {
      buffer.append(chunk);
      if (buffer.length < blockBytes + 2 * this.#overlapBytes) continue;
      look(buffer.length);
      const kept = buffer.length - this.#overlapBytes;
      buffer.shift(kept);
      offset += kept;
      from = 0;
    }
    look(buffer.length);
    return leaks.filter((leak, i) =>
      leaks.findIndex(({ rule, offset: at }) => rule === leak.rule && at === leak.offset) === i
    );
  }
}

function soughtIn({ identities, secrets, words, ambiguous }: KnownValues): readonly Sought[] {
  const sought: Sought[] = [];
  const add = (bytes: Uint8Array, rule: string, whole: boolean, exact: boolean): void => {
    sought.push({ bytes, rule, whole, exact, id: sought.length });
  };
  for (const { bytes } of secrets) for (const form of writtenForms(bytes)) add(form.bytes, "secret", false, true);
  const names: readonly (readonly [string, readonly string[]])[] = [
    ["host", identities.hosts.flatMap((host) => [host, host.split(".")[0]!])],
    ["domain", identities.domains],
    ["user", identities.users],
    ["word", words],
  ];
  for (const [rule, list] of names) {
    for (const name of new Set(list)) {
      if (rule !== "word" && isCommonName(name)) continue;
      if ((rule === "host" || rule === "domain") && isCommonDomain(name)) continue;
      for (const form of writtenForms(encoder.encode(name))) add(form.bytes, rule, !form.encoded, form.encoded);
    }
  }
  for (const address of identities.addresses) {
    if (!ambiguous.has(address)) add(encoder.encode(address), "address", true, false);
  }
  for (const mac of identities.macs) {
    for (const form of [mac, mac.replaceAll(":", "-"), mac.replaceAll(":", "")]) {
      add(encoder.encode(form), "mac", true, false);
    }
  }
  return sought;
}

/** `10.0.0.1` in `10.0.0.1.5`, `1::2` in `fe80:1::2`: another address, or none. */
function isPartOfNumber(bytes: Uint8Array, start: number, end: number, limit: number): boolean {
  const before = start > 0 ? bytes[start - 1]! : 32;
  if (before === 46 || before === 58) return true;
  if (end + 1 >= limit) return false;
  return (bytes[end] === 46 && isDigit(bytes[end + 1]!)) ||
    (bytes[end] === 58 && bytes.subarray(start, end).includes(58));
}

const encoder = new TextEncoder();
const maxLeaks = 100;
const blockBytes = 256 * 1024;
