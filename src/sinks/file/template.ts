/**
 * Where a record belongs: a path made of its time and its fields. Pure.
 *
 * ```text
 *   {objectRef.namespace|none}/audit-%Y%m%d%H.log.gz      kube-system/audit-2026112019.log.gz
 *   {host}/{program|unknown}-%Y-%m-%d.log                 router1/kernel-2026-11-20.log
 * ```
 *
 * `%Y %m %d %H %M` are the record's time, `%%` is a percent sign; `{name|default}` is what the record says of itself
 * (`host`, `program`, `source`, `peer`) or a member of its JSON by dotted path, `\.` being a dot within a key.
 */

/** One piece of a template. */
export type TemplatePart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "time"; readonly letter: string }
  | { readonly kind: "field"; readonly field: number };

/** A field of a template. */
export interface TemplateField {
  /** `host`, `program`, `source`, `peer`, or undefined for a member of JSON. */
  readonly own: OwnField | undefined;
  /** Keys of the member, outermost first; empty for an own field. */
  readonly path: readonly string[];
  /** Stands where a record has no such field, or it is empty. */
  readonly missing: string;
}

/** What every record says of itself. */
export type OwnField = "host" | "program" | "source" | "peer";

/** A template, understood. */
export interface PathTemplate {
  /** The text it was made of. */
  readonly text: string;
  readonly parts: readonly TemplatePart[];
  readonly fields: readonly TemplateField[];
  /** Whether files are to hold gzip: the name ends in `.gz`. */
  readonly gzip: boolean;
}

/** Reads a template. @throws in words for whoever wrote it */
export function parsePathTemplate(text: string): PathTemplate {
  const parts: TemplatePart[] = [];
  const fields: TemplateField[] = [];
  for (const [piece, field, letter] of text.matchAll(/\{([^{}]*)\}|%(.?)|[^{%]+|\{/gs)) {
    if (field !== undefined) {
      parts.push({ kind: "field", field: fields.length });
      fields.push(parseField(field));
    } else if (letter === "%") parts.push({ kind: "text", text: "%" });
    else if (letter !== undefined) {
      if (!/^[YmdHM]$/.test(letter)) throw new Error(`"%${letter}" is not known; allowed: %Y %m %d %H %M %%`);
      parts.push({ kind: "time", letter });
    } else if (piece === "{") throw new Error(`"{" has no "}"`);
    else parts.push({ kind: "text", text: piece });
  }
  const plain = parts.map((part) => part.kind === "text" ? part.text : "x").join("");
  if (text === "" || plain.startsWith("/")) throw new Error("is not a path below dir; it must not begin with /");
  if (plain.split("/").some((name) => name === "" || name === "." || name === "..")) {
    throw new Error(`"${text}" is not a path below dir; no part may be empty, "." or ".."`);
  }
  // deno-lint-ignore no-control-regex -- that is what is looked for
  if (/[\x00-\x1f\x7f]/.test(text)) throw new Error("has control characters in it");
  return { text, parts, fields, gzip: text.endsWith(".gz") };
}

/** A path out of a template; `time` gives two or four digits for a letter. */
export function renderPath(
  { parts, fields }: PathTemplate,
  value: (field: TemplateField, index: number) => string | undefined,
  time: (letter: string) => string,
): string {
  let path = "";
  for (const part of parts) {
    if (part.kind === "text") path += part.text;
    else if (part.kind === "time") path += time(part.letter);
    else {
      const field = fields[part.field]!;
      path += safeName(value(field, part.field) || field.missing);
    }
  }
  return path.split("/").map(safePart).join("/");
}

/**
 * A value as a part of a file name: letters, digits, `.`, `_`, `-` and `:` stand for themselves, all else as `%XX`, so that
 * no two values share a name. A leading dot is written so, too, and what is longer than 100 bytes ends in a digest.
 */
export function safeName(value: string): string {
  if (/^[A-Za-z0-9_:-][A-Za-z0-9._:-]{0,99}$/.test(value)) return value;
  let name = "";
  for (const byte of encoder.encode(value)) {
    const char = String.fromCharCode(byte);
    const plain = /[A-Za-z0-9._:-]/.test(char) && !(name === "" && char === ".");
    name += plain ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return name.length <= 100 ? name : `${name.slice(0, 80)}~${digestOf(value)}`;
}

/** File systems take 255 bytes; a part that several fields make longer is cut in the middle. */
function safePart(part: string): string {
  return part.length <= 200 ? part : `${part.slice(0, 120)}~${digestOf(part)}${part.slice(-40)}`;
}

/** FNV-1a of 32 bits, twice: it keeps names apart, and is no proof of anything. */
function digestOf(text: string): string {
  let [a, b] = [0x811c9dc5, 0x01000193];
  for (const byte of encoder.encode(text)) {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte ^ (a >>> 13), 0x01000193);
  }
  return [a, b].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
}

function parseField(text: string): TemplateField {
  const bar = text.indexOf("|");
  const name = bar < 0 ? text : text.slice(0, bar);
  const missing = bar < 0 ? "none" : text.slice(bar + 1);
  if (name === "") throw new Error(`"{${text}}" names no field; write {host}, or {objectRef.namespace|none}`);
  if (missing === "") throw new Error(`"{${text}}" has an empty default; write {${name}|none}`);
  const own = ownFields.find((one) => one === name);
  const path = own === undefined ? name.split(/(?<!\\)\./).map((key) => key.replaceAll("\\.", ".")) : [];
  return { own, path, missing };
}

const ownFields: readonly OwnField[] = ["host", "program", "source", "peer"];
const encoder = new TextEncoder();
