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

Deno.test("search() finds the same, in the same order, in a text that it searches in two halves", () => {
  let state = 7;
  const random = (below: number): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) % below;
  const words = ["ab", "abc", "bca", { word: "ca", whole: true }, { word: "Cab", exact: true }, "c".repeat(30)];
  for (let round = 0; round < 40; round++) {
    const size = 4_000 + random(3_000);
    const text = Array.from({ length: size }, () => random(round + 20) === 0 ? "\n" : "abcC "[random(5)]!).join("");
    // A word with LF in it keeps the search in one lane.
    deepStrictEqual(searched(words, text), searched([...words, "no\nsuch"], text));
  }
  const lines = `${"x".repeat(2_500)}\nab\nyes\nno${"x".repeat(3_000)}`;
  deepStrictEqual(searched(["ab", "s\nn"], lines), ["2501:ab", "2506:s\nn"]);
});
