import { deepStrictEqual } from "node:assert/strict";
import { type Literal, LiteralSet } from "./literals.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function searched(words: readonly (string | Partial<Literal> & { readonly word: string })[], text: string): string[] {
  const literals = words.map((word, id) =>
    typeof word === "string"
      ? { bytes: encode(word), whole: false, id }
      : { whole: false, id, bytes: encode(word.word), ...word }
  );
  const found: string[] = [];
  const bytes = encode(text);
  new LiteralSet(literals).search(
    bytes,
    0,
    bytes.length,
    (start, end) => found.push(`${start}:${text.slice(start, end)}`),
  );
  return found;
}

Deno.test("search() finds every word, also those within others", () => {
  deepStrictEqual(searched(["he", "she", "his", "hers"], "uSHErs"), ["1:SHE", "2:HE", "2:HErs"]);
  deepStrictEqual(searched(["aa", "aaa"], "aaaa"), ["0:aa", "0:aaa", "1:aa", "1:aaa", "2:aa"]);
  deepStrictEqual(searched([], "x"), []);
});

Deno.test("search() heeds the ends of words, and case where it counts", () => {
  deepStrictEqual(searched([{ word: "web", whole: true }], "web web1 cobweb web-1 (WEB)"), [
    "0:web",
    "16:web",
    "23:WEB",
  ]);
  deepStrictEqual(searched([{ word: "aGk", exact: true }], "agk aGk"), ["4:aGk"]);
});
