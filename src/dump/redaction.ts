/** What redaction is for the rest of the dump: everything that goes into a bundle passes through one of these. */
import type { ArtifactKind } from "./collector.ts";

/** What one artifact lost to redaction. */
export interface RedactionCount {
  /** Name of the rule: `pem`, `authorization`, `ipv4` … */
  readonly rule: string;
  readonly times: number;
}

/** An artifact while it is made safe. */
export interface RedactedContent {
  /** The safe bytes. Throws when it cannot be made safe: the artifact is then dropped, never passed on. */
  readonly content: AsyncIterable<Uint8Array>;
  /** What was replaced, complete once `content` ended. */
  counts(): readonly RedactionCount[];
}

/** A place where something that must not leave the machine was still found. */
export interface Leak {
  /** Rule or kind of name; never the value. */
  readonly rule: string;
  /** Byte offset in the content. */
  readonly offset: number;
}

/** Makes things safe: secrets are masked, identities become pseudonyms that are equal everywhere in the bundle. Memory is bounded. */
export interface Redactor {
  /** `path` decides structural rules (Kubernetes Secrets in .yaml, .json). */
  redact(
    content: AsyncIterable<Uint8Array>,
    about: { readonly path: string; readonly kind: ArtifactKind },
  ): RedactedContent;
  /**
   * Masks what {@linkcode leaks} finds in a content that was redacted before: what was learned since. Pseudonyms stay as
   * they are, which a second {@linkcode redact} would not leave. Whoever uses it looks for leaks once more.
   */
  maskKnown(content: AsyncIterable<Uint8Array>): RedactedContent;
  /** For file names, report lines, errors, command lines: same rules, same pseudonyms. */
  redactText(text: string): string;
  /** Looks for every known secret and identity, also as base64, URL- and JSON-escaped; the self-check before sealing. */
  leaks(content: AsyncIterable<Uint8Array>): Promise<readonly Leak[]>;
  /** Pairs of pseudonym and real value, for the private mapping file; never in the bundle. */
  mapping(): Iterable<readonly [pseudonym: string, value: string]>;
}
