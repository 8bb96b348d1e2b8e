import { deepEqual, notDeepEqual, throws } from "node:assert/strict";
import { withLateImports, withStableNames } from "./names.ts";

/** Two chunks that import each other, and the one that starts, under the names of a bundler. */
function bundle(a: string, b: string, text = "1"): ReadonlyMap<string, string> {
  return new Map([
    ["main.js", `import "./chunk-${a}.js"; import("./ship-${b}.js")`],
    [`chunk-${a}.js`, `import "./ship-${b}.js"; export const x = ${text}`],
    [`ship-${b}.js`, `import "./chunk-${a}.js"; "other-ABCDEFGH.js"`],
  ]);
}

Deno.test("withStableNames() names chunks by what is in them, in a circle too, and leaves other texts alone", () => {
  const one = withStableNames(bundle("AAAAAAAA", "BBBBBBBB"));
  deepEqual([...one], [...withStableNames(bundle("CCCCCCCC", "22222222"))]);
  const names = [...one.keys()];
  deepEqual(one.get("main.js"), `import "./${names[1]}"; import("./${names[2]}")`);
  deepEqual(one.get(names[2]!), `import "./${names[1]}"; "other-ABCDEFGH.js"`);
});

Deno.test("withStableNames() gives a chunk and all that lead to it other names when its text is another", () => {
  const [one, other] = [bundle("AAAAAAAA", "BBBBBBBB"), bundle("AAAAAAAA", "BBBBBBBB", "2")];
  const [before, after] = [[...withStableNames(one).keys()], [...withStableNames(other).keys()]];
  for (const i of [1, 2]) notDeepEqual(before[i], after[i]);
});

Deno.test("withStableNames() refuses chunks that it cannot tell apart", () => {
  throws(() => withStableNames(new Map([["a-AAAAAAAA.js", "1"], ["a-BBBBBBBB.js", "1"]])), /two of them are the same/);
});

Deno.test("withLateImports() hides what is asked for late, and nothing else", () => {
  const chunks = new Map([["main.js", 'import "./a.js"; import("./a.js"); import( `./b.js` ); "./b.js"'], [
    "a.js",
    "1",
  ]]);
  throws(() => withLateImports(chunks), /"main\.js": it asks for "b\.js", which is not there/);
  deepEqual(
    withLateImports(new Map([...chunks, ["b.js", 'import("node:fs")']])).get("main.js"),
    'import "./a.js"; import(String("./a.js")); import(String("./b.js")); "./b.js"',
  );
});
