import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { MemberFinder } from "./json_scan.ts";

const encoder = new TextEncoder();
const paths = [["a"], ["b", "c"], ["b", "d", "e"], ["x y"]];
const found = (json: string): readonly (string | undefined)[] | undefined => {
  const finder = new MemberFinder(paths);
  const bytes = encoder.encode(`<<${json}>>`);
  return finder.find(bytes, 2, bytes.length - 2) ? paths.map((_, i) => finder.text(i)) : undefined;
};

Deno.test("MemberFinder finds values by path and passes over all else", () => {
  for (
    const [json, values] of [
      [`{"a":"1","b":{"c":2,"d":{"e":null}},"x y":[1,{"a":3}]}`, ["1", "2", "null", `[1,{"a":3}]`]],
      [` { "z" : {"a":1,"s":"}\\"]"} , "a" : "\\u0041\\"" } `, [`A"`, undefined, undefined, undefined]],
      [`{}`, [undefined, undefined, undefined, undefined]],
      [`{"b":"c","a":-1.5E+7}`, ["-1.5E+7", undefined, undefined, undefined]],
      [`{"b":{"c":1},"b":{"d":{}}}`, [undefined, undefined, undefined, undefined]],
      [`{"a":1,"a":"2"}`, ["2", undefined, undefined, undefined]],
      [`{"\\u0061":"hidden"}`, ["hidden", undefined, undefined, undefined]],
      [`{"b":[{"c":1}]}`, [undefined, undefined, undefined, undefined]],
    ] as const
  ) {
    deepStrictEqual(found(json), values, json);
  }
});

Deno.test("MemberFinder says of everything torn that it is no object", () => {
  const whole = `{"a":"1\\"","b":{"c":[1,2],"d":{"e":true}},"x y":"z"}`;
  for (let end = 0; end < whole.length; end++) strictEqual(found(whole.slice(0, end)), undefined, whole.slice(0, end));
  for (const json of ["[]", "1", "", `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1}x`, `{a:1}`, `{"a" 1}`, `{"a":1 "b":2}`]) {
    strictEqual(found(json), undefined, json);
  }
});

Deno.test("MemberFinder agrees with JSON.parse on many objects", () => {
  let seed = 7;
  const next = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % below;
  const value = (depth: number): unknown => {
    const kind = next(depth > 3 ? 4 : 7);
    if (kind === 0) return next(1_000) - 500.5;
    if (kind === 1) {
      return ["x".repeat(55 + next(20)) + '\\"\\\\"'.repeat(next(3)) + "end", 'q"', "\\", "é}", "{", "\n", ""][next(7)];
    }
    if (kind === 2) return null;
    if (kind === 3) return next(2) === 0;
    if (kind === 4) return Array.from({ length: next(4) }, () => value(depth + 1));
    return Object.fromEntries(Array.from({ length: next(5) }, () => ["abcdex"[next(6)]!, value(depth + 1)]));
  };
  for (let i = 0; i < 2_000; i++) {
    const object = { b: value(0), a: value(0), z: value(0) };
    const at = (keys: readonly string[]): unknown =>
      keys.reduce<unknown>(
        (one, key) =>
          typeof one === "object" && one !== null && !Array.isArray(one)
            ? (one as Record<string, unknown>)[key]
            : undefined,
        object,
      );
    const expected = paths.map(at).map((one) =>
      one === undefined || typeof one === "string" ? one : JSON.stringify(one)
    );
    deepStrictEqual(found(JSON.stringify(object)), expected, JSON.stringify(object));
  }
});
