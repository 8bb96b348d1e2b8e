import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { compileAny, compileSet, Pattern } from "./pattern.ts";

const encoder = new TextEncoder();

function matches(pattern: string, text: string): boolean {
  const bytes = encoder.encode(`xx${text}xx`);
  return new Pattern(pattern).test(bytes, 2, bytes.length - 2);
}

function found(pattern: string, text: string): string[] {
  const bytes = encoder.encode(text);
  const spans: number[] = [];
  new Pattern(pattern).findAll(bytes, 0, bytes.length, spans);
  return spans.flatMap((start, i) =>
    i % 2 === 0 ? [new TextDecoder().decode(bytes.subarray(start, spans[i + 1]))] : []
  );
}

Deno.test("Pattern matches what people write, in POSIX and in Perl", () => {
  for (
    const [pattern, yes, no] of [
      ["session (opened|closed)", ["pam: session opened for x"], ["session", "Session opened"]],
      ["^[[:alpha:]]+[0-9]{2,3}$", ["abc12", "a123"], ["abc1", "abc1234", "12", " abc12"]],
      ["[]a]", ["]", "a"], ["b", "["]],
      ["[^]a]", ["b"], ["]", "a", "]a"]],
      ["[a-c-]x", ["-x", "bx"], ["dx"]],
      ["a{2}", ["aa", "baab"], ["a"]],
      ["^a{,2}$", ["", "a", "aa"], ["aaa"]],
      ["a{x}", ["a{x}"], ["a"]],
      ["\\d+\\s\\w", ["12 a"], ["1  a", "12a"]],
      ["\\bsu\\b", ["su", "a su.", "su: x"], ["sudo", "resu", "a_su"]],
      ["\\Bu\\B", ["sudo"], ["su", "u"]],
      ["(?i)ERROR|fail[eE]d", ["an Error", "FAILED"], ["err"]],
      ["(?i)[a-c]$", ["xB"], ["xD"]],
      ["a.c", ["abc", "a\nc", "a\0c"], ["ac"]],
      ["grün|[äö]l", ["grün", "öl", "äl"], ["grun", "ül"]],
      ["\\x41\\t\\.", ["A\t."], ["A."]],
      ["^$", [""], ["a"]],
      ["", ["", "a"], []],
      ["a|", ["", "b"], []],
      ["(?:ab)*?c", ["c", "ababc"], ["ab"]],
      ["x*", ["", "y"], []],
      ["[[:space:][:digit:]]z", [" z", "1z"], ["az"]],
      ["[\\w.-]+@", ["a.b-c@"], ["@", " @"]],
      ["\\$\\^\\(\\[\\|", ["$^([|"], ["$"]],
    ] as const
  ) {
    for (const text of yes) ok(matches(pattern, text), `${pattern} matches ${JSON.stringify(text)}`);
    for (const text of no) ok(!matches(pattern, text), `${pattern} does not match ${JSON.stringify(text)}`);
  }
});

Deno.test("Pattern says what it does not take, and where", () => {
  for (
    const [pattern, message] of [
      ["(a)\\1", /back references are not supported.*\(at character 5\)/],
      ["(?=a)", /look-around is not supported/],
      ["(?<!a)b", /look-around/],
      ["*a", /nothing for "\*" to repeat/],
      ["a**", /quantifier follows a quantifier/],
      ["(a", /"\(" is not closed/],
      ["a)", /"\)" closes nothing/],
      ["[a", /"\[" is not closed/],
      ["[[:letters:]]", /known are \[:alpha:\]/],
      ["[z-a]", /from a lower ASCII character/],
      ["[^ä]", /not ASCII/],
      ["a{3,2}", /backwards/],
      ["a{1001}", /at most 1000/],
      ["((a{100}){100}){100}", /too large/],
      ["\\q", /"\\q" is unknown/],
      ["a\\", /ends too early/],
      ["(?x)a", /only \(\?:…\)/],
      ["(".repeat(200) + ")".repeat(200), /deeper than 100/],
      ["a".repeat(20_000), /longer than/],
    ] as const
  ) throws(() => new Pattern(pattern), message, pattern.slice(0, 30));
});

Deno.test("Pattern.findAll() gives every occurrence, or its group", () => {
  deepStrictEqual(found("[0-9]+", "a1b22c333"), ["1", "22", "333"]);
  deepStrictEqual(found("password=(\\S+)", "x password=secret y password=other"), ["secret", "other"]);
  deepStrictEqual(found("a(b)|c(d)", "ab cd a"), ["b", "d"]);
  deepStrictEqual(found("a|ab", "ab"), ["a"]);
  deepStrictEqual(found("ab|a", "ab"), ["ab"]);
  deepStrictEqual(found("<.*?>", "<a><b>"), ["<a>", "<b>"]);
  deepStrictEqual(found("<.*>", "<a><b>"), ["<a><b>"]);
  deepStrictEqual(found("((a)b)", "ab"), ["ab"]);
  deepStrictEqual(found("x*", "axxb"), ["xx"]);
  deepStrictEqual(found("^a", "aaa"), ["a"]);
  deepStrictEqual(found("\\ba", "aa a"), ["a", "a"]);
});

/** What backtracking engines take ages for. */
const hostile: readonly (readonly [pattern: string, text: string])[] = [
  ["(a+)+$", "a".repeat(5_000) + "b"],
  ["(a|a)*b", "a".repeat(5_000)],
  ["(a|aa)+$", "a".repeat(5_000) + "!"],
  ["(.*a){12}b", "a".repeat(5_000)],
  ["^(([a-z])+.)+[A-Z]([a-z])+$", "a".repeat(5_000)],
  ["(x+x+)+y", "x".repeat(5_000)],
  ["(\\w+\\s?)*$", "word ".repeat(1_000) + "!"],
  ["[ab]*a[ab]{12}c", "ab".repeat(2_500)],
  ["(a?){30}a{30}", "a".repeat(29) + "b"],
  ["a*a*a*a*a*a*b", "a".repeat(5_000)],
];

Deno.test("Pattern walks a bounded number of steps per byte, whatever pattern and record are", () => {
  for (const [source, text] of hostile) {
    const bytes = encoder.encode(text);
    const pattern = new Pattern(source);
    const perByte = 40 * source.length + 400;
    pattern.test(bytes, 0, bytes.length);
    ok(pattern.work <= perByte * (bytes.length + 1), `test ${source}: ${pattern.work} steps for ${bytes.length} bytes`);
    pattern.findAll(bytes, 0, bytes.length, []);
    ok(pattern.work <= 20 * perByte * (bytes.length + 500), `findAll ${source}: ${pattern.work} steps`);
  }
});

Deno.test("Pattern walks nothing at all where it has been before", () => {
  const pattern = new Pattern("session (opened|closed) for [a-z]+");
  const bytes = encoder.encode("pam_unix: session opened for root by (uid=0)");
  pattern.test(bytes, 0, bytes.length);
  const work = pattern.work;
  for (let i = 0; i < 100; i++) pattern.test(bytes, 0, bytes.length);
  strictEqual(pattern.work, work);
});

Deno.test("Pattern keeps a bounded number of states and stays right when it forgets them", () => {
  const pattern = new Pattern("[ab]*a[ab]{13}c");
  const random = generator(3);
  for (let round = 0; round < 40; round++) {
    const text = Array.from({ length: 400 }, () => random() < 0.5 ? "a" : "b").join("");
    const bytes = encoder.encode(text + "c");
    strictEqual(pattern.test(bytes, 0, bytes.length), text[text.length - 14] === "a");
  }
});

Deno.test("Pattern.findAll() hides the rest of a record that costs too much to search", () => {
  const text = "a".repeat(20_000);
  const bytes = encoder.encode(text);
  const spans: number[] = [];
  new Pattern("a.*b|a").findAll(bytes, 0, bytes.length, spans);
  let covered = 0;
  for (let i = 0; i < spans.length; i += 2) covered += spans[i + 1]! - spans[i]!;
  strictEqual(covered, bytes.length);
  ok(spans.length < 100, `${spans.length / 2} spans`);
});

Deno.test("compileAny() matches where one of its patterns does", () => {
  const any = compileAny(["(?i)secret", "^x$", "a{3}"]);
  const test = (text: string): boolean => any.test(encoder.encode(text), 0, encoder.encode(text).length);
  for (const text of ["a SECRET", "x", "baaa"]) ok(test(text), text);
  for (const text of ["", "xx", "aa"]) ok(!test(text), text);
});

Deno.test("Pattern agrees with RegExp on random patterns and texts", () => {
  const random = generator(11);
  const pick = (letters: string): string => letters[Math.floor(random() * letters.length)]!;
  const build = (depth: number): string => {
    const roll = random();
    if (depth === 0 || roll < 0.35) {
      return pick("abc.") + (random() < 0.25 ? pick("*+?") + (random() < 0.3 ? "?" : "") : "");
    }
    if (roll < 0.65) return build(depth - 1) + build(depth - 1);
    if (roll < 0.8) return `(?:${build(depth - 1)}|${build(depth - 1)})`;
    if (roll < 0.88) return `(?:[ab]${build(depth - 1)}){1,3}`;
    return pick("^$") + build(depth - 1) + (random() < 0.3 ? "\\b" : "");
  };
  let matched = 0;
  for (let round = 0; round < 4_000; round++) {
    const source = build(4);
    const pattern = new Pattern(source);
    for (let i = 0; i < 5; i++) {
      const text = Array.from({ length: Math.floor(random() * 12) }, () => pick("abcd ")).join("");
      const bytes = encoder.encode(text);
      const want = new RegExp(source, "s").test(text);
      if (want) matched++;
      strictEqual(pattern.test(bytes, 0, bytes.length), want, `${source} on ${JSON.stringify(text)}`);
      const spans: number[] = [];
      pattern.findAll(bytes, 0, bytes.length, spans);
      const all = [...text.matchAll(new RegExp(source, "gs"))].filter(([match]) => match !== "");
      deepStrictEqual(
        spans,
        all.flatMap((match) => [match.index, match.index + match[0].length]),
        `${source} in ${JSON.stringify(text)}`,
      );
    }
  }
  ok(matched > 3_000, "enough of them match to mean something");
});

Deno.test("compileSet() finds in one pass what each of its patterns finds alone, also when it forgets its states", () => {
  const random = generator(5);
  const pick = (letters: string): string => letters[Math.floor(random() * letters.length)]!;
  const sources = ["^ab", "a.*b$", "\\bc+\\b", "[ab]{3}c", "b|^$", "[abc]*a[abc]{9}d", "d\\b", "^d?a", "(?i)AB+ "];
  const set = compileSet(sources);
  const patterns = sources.map((source) => new Pattern(source));
  const anchored = compileSet(["^ab", "^b"]);
  const seen = new Set<string>();
  for (let round = 0; round < 3_000; round++) {
    const text = Array.from({ length: Math.floor(random() * 40) }, () => pick("abcd ")).join("");
    const bytes = encoder.encode(`x${text}y`);
    const found = new Uint8Array(sources.length);
    set.find(bytes, 1, bytes.length - 1, found);
    deepStrictEqual([...found], patterns.map((one) => one.test(bytes, 1, bytes.length - 1) ? 1 : 0), text);
    seen.add(found.join(""));
    const two = new Uint8Array(2);
    anchored.find(bytes, 1, bytes.length - 1, two);
    deepStrictEqual([...two], [text.startsWith("ab") ? 1 : 0, text.startsWith("b") ? 1 : 0], text);
  }
  ok(seen.size > 50, `${seen.size} different outcomes`);
});

/** Numbers in 0..1, the same ones for the same seed (mulberry32). */
function generator(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
