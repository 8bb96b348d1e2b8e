/**
 * Path patterns: `*`, `?`, `[a-z]`, `[!a-z]`, `**` (folders, any number), `{a,b}` and `\` before a character that shall
 * mean itself. As in a shell, a leading dot is matched only by a dot. Names are compared, folders are walked by others.
 */

/** One part of a pattern between slashes: a plain name, names that match, or `**`. */
export type GlobSegment =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "match"; readonly expression: RegExp }
  | { readonly kind: "deep" };

/** One pattern without alternatives in braces. */
export interface Glob {
  /** The text it was made of. */
  readonly pattern: string;
  readonly segments: readonly GlobSegment[];
  /** Matches a whole path. */
  readonly expression: RegExp;
}

/**
 * The pattern as one glob per alternative of its braces.
 * @throws when a bracket or brace stays open, or the braces make more than 1,000 alternatives
 */
export function parseGlobs(pattern: string): readonly Glob[] {
  return expandBraces(pattern).map(parseGlob);
}

/** Whether one of `globs` matches the whole of `path`. */
export function matchesGlob(globs: readonly Glob[], path: string): boolean {
  return globs.some((glob) => glob.expression.test(path));
}

function parseGlob(pattern: string): Glob {
  const parts = pattern.split("/").filter((part, i) => part !== "" && (part !== "." || i === 0));
  const segments = parts.map((part) => parseSegment(part, pattern));
  const source = segments.map((segment, i) => segmentSource(segment, parts[i]!, i === segments.length - 1)).join("");
  return { pattern, segments, expression: new RegExp(`^${pattern.startsWith("/") ? "/" : ""}${source}$`, "s") };
}

function parseSegment(part: string, pattern: string): GlobSegment {
  if (part === "**") return { kind: "deep" };
  if (!/[*?[]/.test(part.replace(/\\./gs, ""))) return { kind: "name", name: part.replace(/\\(.)/gs, "$1") };
  return { kind: "match", expression: new RegExp(`^${nameSource(part, pattern)}$`, "s") };
}

/** A path's source: `**` takes its slash along, so that it also matches no folder at all. */
function segmentSource(segment: GlobSegment, part: string, last: boolean): string {
  const slash = last ? "" : "/";
  if (segment.kind === "deep") return last ? "(?:[^/.][^/]*(?:/|$))*" : "(?:[^/.][^/]*/)*";
  return (segment.kind === "name" ? escapeText(segment.name) : nameSource(part, part)) + slash;
}

function nameSource(part: string, pattern: string): string {
  let source = /^[*?[]/.test(part) ? "(?!\\.)" : "";
  for (let i = 0; i < part.length; i++) {
    const char = part[i]!;
    if (char === "*") {
      if (part[i - 1] !== "*" || part[i - 2] === "\\") source += "[^/]*";
    } else if (char === "?") source += "[^/]";
    else if (char === "\\" && i + 1 < part.length) source += escapeText(part[++i]!);
    else if (char === "[") {
      const end = part.indexOf("]", i + (/^\[[!^]/.test(part.slice(i)) ? 3 : 2));
      if (end < 0) {
        throw new Error(`Cannot read pattern "${pattern}": "[" has no "]"\nTry: \\[ for the character itself`);
      }
      source += classSource(part.slice(i + 1, end));
      i = end;
    } else source += escapeText(char);
  }
  return source;
}

function classSource(text: string): string {
  const negated = /^[!^]/.test(text);
  const chars = (negated ? text.slice(1) : text).replace(/[\\\]^[]/g, "\\$&");
  return `(?!/)[${negated ? "^" : ""}${chars}]`;
}

function escapeText(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** `a{b,c{d,e}}` as `ab`, `acd`, `ace`. */
function expandBraces(pattern: string): readonly string[] {
  let found = [pattern];
  for (;;) {
    const next: string[] = [];
    for (const text of found) {
      const open = indexOutsideEscape(text, "{", 0);
      next.push(...(open < 0 ? [text] : expandFirst(text, open, pattern)));
    }
    if (next.length > maxAlternatives) {
      throw new Error(`Cannot read pattern "${pattern}": its braces make more than ${maxAlternatives} alternatives`);
    }
    if (next.length === found.length && next.every((text, i) => text === found[i])) return found;
    found = next;
  }
}

function expandFirst(text: string, open: number, pattern: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = open + 1;
  for (let i = open; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "{") depth++;
    else if (text[i] === "," && depth === 1) {
      parts.push(text.slice(from, i));
      from = i + 1;
    } else if (text[i] === "}" && --depth === 0) {
      parts.push(text.slice(from, i));
      return parts.map((part) => text.slice(0, open) + part + text.slice(i + 1));
    }
  }
  throw new Error(`Cannot read pattern "${pattern}": "{" has no "}"\nTry: \\{ for the character itself`);
}

function indexOutsideEscape(text: string, char: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === char) return i;
  }
  return -1;
}

const maxAlternatives = 1_000;
