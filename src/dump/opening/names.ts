/** Names out of an archive of anybody: what may be shown on a terminal, and what may become a file. */

/** The text on one line, with everything escaped that moves a cursor, hides or turns text around. */
export function shownText(text: string): string {
  return text.replace(unshowable, (char) => {
    const code = char.codePointAt(0)!;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/** Where an entry goes, or why it goes nowhere. */
export type SafePath = { readonly segments: readonly string[] } | { readonly refused: string };

/** The folders and the name that `name` means below the folder it is unpacked to. */
export function safePath(name: string): SafePath {
  if (name.startsWith("/")) return { refused: "its name is absolute" };
  if (name.includes("\0")) return { refused: "its name holds a zero byte" };
  const segments = name.split("/").filter((segment) => segment !== "" && segment !== ".").map(shownText);
  if (segments.includes("..")) return { refused: "its name leads out of the folder" };
  if (segments.length > maxDepth) return { refused: `it is more than ${maxDepth} folders deep` };
  if (segments.some((segment) => encoder.encode(segment).length > 255)) return { refused: "its name is too long" };
  return { segments };
}

/** Two names that are one file on some disk (case, composed letters) have the same key. */
export function collisionKey(segments: readonly string[]): string {
  return segments.join("/").normalize("NFC").toLowerCase();
}

// Controls, bidirectional marks and overrides, separators, zero-width characters, halves of pairs.
const unshowable =
  // deno-lint-ignore no-control-regex
  /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\p{Surrogate}/gu;
const maxDepth = 64;
const encoder = new TextEncoder();
