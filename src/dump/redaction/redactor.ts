/** Puts the rules together for one dump. */
import { randomBytes } from "node:crypto";
import { UsageError } from "../../pipeline/errors.ts";
import type { Leak, RedactedContent, Redactor } from "../redaction.ts";
import { AddressScan } from "./address_scan.ts";
import { safeContent, type TextStage } from "./content.ts";
import { AddressMap } from "./crypto_pan.ts";
import { type Identities, noIdentities } from "./identities.ts";
import { LearnedSecrets } from "./learned_secrets.ts";
import { LeakSearch } from "./leaks.ts";
import { maskedWith } from "./known_masking.ts";
import { NameScan } from "./name_scan.ts";
import { Names } from "./names.ts";
import { type CustomPattern, SecretRules } from "./secret_rules.ts";
import { Tally } from "./tally.ts";
import { type RuleSet, type TextForm, TextRedaction } from "./text_redaction.ts";

/** What a redactor is told. */
export interface RedactorOptions {
  /** `full`: secrets and identities; `secretsOnly`; `none`: nothing is touched. */
  readonly mode: "full" | "secretsOnly" | "none";
  /** 32 secret bytes: the same key gives the same pseudonyms. Random, and kept nowhere, without it. */
  readonly pseudonymKey?: Uint8Array;
  readonly identities?: Identities;
  /** Secrets by value: keys of the agent's own configuration. The strongest rule; at least 4 characters each. */
  readonly literals?: readonly string[];
  readonly customPatterns?: readonly CustomPattern[];
  /** Words that become pseudonyms: names of customers, projects. */
  readonly extraWords?: readonly string[];
  /** `prefix` (default) keeps who is in one network with whom; `token` keeps nothing. */
  readonly ipMode?: "prefix" | "token";
  /** Whether {@linkcode Redactor.mapping} is asked for: it costs memory. Default false. */
  readonly keepsMapping?: boolean;
}

/** Makes the redactor of a dump. @throws ConfigError for a pattern that is none, UsageError for a key that is too short */
export function openRedactor(options: RedactorOptions): Redactor {
  return options.mode === "none" ? unchanged : new DumpRedactor(options);
}

class DumpRedactor implements Redactor {
  readonly #options: RedactorOptions;
  readonly #identities: Identities;
  readonly #names: Names;
  readonly #secrets: SecretRules;
  readonly #addresses: AddressScan | undefined;
  readonly #learned: LearnedSecrets;
  #nameScan: NameScan | undefined;
  #leakSearch: LeakSearch | undefined;
  /** What was learned when the scans were made. */
  #scanVersion = -1;
  #leakVersion = "";

  constructor(options: RedactorOptions) {
    const key = options.pseudonymKey ?? randomBytes(32);
    if (key.length < 32) {
      throw new UsageError(`Cannot use the key of pseudonyms: it has ${key.length} bytes\nTry: 32 random bytes`);
    }
    this.#options = options;
    this.#identities = options.mode === "full" ? options.identities ?? noIdentities : noIdentities;
    this.#names = new Names(key, options.keepsMapping === true);
    this.#secrets = new SecretRules(options.customPatterns);
    this.#learned = new LearnedSecrets(options.literals ?? []);
    if (options.mode !== "full") return;
    const map = options.ipMode === "token" ? undefined : new AddressMap(key);
    this.#addresses = new AddressScan(this.#names, map, new Set(this.#identities.addresses));
  }

  redact(
    content: AsyncIterable<Uint8Array>,
    about: { readonly path: string; readonly kind: import("../collector.ts").ArtifactKind },
  ): RedactedContent {
    const tally = new Tally();
    const open = (head: Uint8Array): TextStage => this.#open(formOfText(about, head), tally);
    return { content: safeContent(content, about.kind, open), counts: () => tally.list() };
  }

  redactText(text: string): string {
    const stage = this.#open({ json: false, yaml: false, versions: false }, new Tally());
    const decoder = new TextDecoder();
    let safe = "";
    for (const piece of stage.push(encoder.encode(text))) safe += decoder.decode(piece, { stream: true });
    for (const piece of stage.end()) safe += decoder.decode(piece, { stream: true });
    return safe + decoder.decode();
  }

  async leaks(content: AsyncIterable<Uint8Array>): Promise<readonly Leak[]> {
    const ambiguous = this.#addresses?.ambiguous ?? new Set();
    const version = `${this.#learned.version} ${ambiguous.size}`;
    if (this.#leakSearch === undefined || this.#leakVersion !== version) {
      this.#leakVersion = version;
      this.#leakSearch = new LeakSearch({
        identities: this.#identities,
        secrets: this.#learned.values(),
        words: this.#options.extraWords ?? [],
        ambiguous,
      });
    }
    return await this.#leakSearch.search(content);
  }

  maskKnown(content: AsyncIterable<Uint8Array>): RedactedContent {
    const tally = new Tally();
    if (this.#scanVersion !== this.#learned.version) this.#makeScan();
    return { content: maskedWith(this.#nameScan!, content, tally), counts: () => tally.list() };
  }

  mapping(): Iterable<readonly [pseudonym: string, value: string]> {
    return this.#names.pairs();
  }

  #open(form: TextForm, tally: Tally): TextStage {
    const ready: Uint8Array[] = [];
    const text = new TextRedaction(this.#ruleSet(), form, tally, (bytes) => ready.push(bytes));
    return {
      push: (bytes) => {
        text.push(bytes);
        return ready.splice(0);
      },
      end: () => {
        text.end();
        return ready.splice(0);
      },
    };
  }

  /**
   * The rules as of now: what was masked in one text is looked for by value in those that come later. The table of many
   * values is not made anew for each further one; what that leaves, the search for leaks finds.
   */
  #ruleSet(): RuleSet {
    const fresh = this.#learned.version - this.#scanVersion;
    if (this.#nameScan === undefined || fresh > this.#learned.version / 16) this.#makeScan();
    return {
      secrets: this.#secrets,
      names: this.#nameScan!,
      ...(this.#addresses === undefined ? {} : { addresses: this.#addresses }),
      learner: this.#learned,
    };
  }

  #makeScan(): void {
    this.#scanVersion = this.#learned.version;
    const words = this.#options.extraWords ?? [];
    const known = { identities: this.#identities, words, secrets: this.#learned.values() };
    this.#nameScan = new NameScan(known, this.#names);
  }
}

/** What the path, the kind and the first bytes say. */
function formOfText(about: { readonly path: string; readonly kind: string }, head: Uint8Array): TextForm {
  const path = about.path.replace(/\.gz$/, "");
  const first = head.find((byte) => byte > 32);
  return {
    json: about.kind === "json" || /\.jsonl?$/.test(path) || first === 123,
    yaml: about.kind === "yaml" || /\.(?:ya?ml|conf|cfg|ini|env|toml|properties)$/.test(path),
    versions: /\/apt\/|(?:dpkg|rpm|apk|opkg|pip|pacman|packages?|versions?)[^/]*$/.test(path),
  };
}

const unchanged: Redactor = {
  redact: (content) => ({ content, counts: () => [] }),
  redactText: (text) => text,
  leaks: () => Promise.resolve([]),
  maskKnown: (content) => ({ content, counts: () => [] }),
  mapping: () => [],
};
const encoder = new TextEncoder();
