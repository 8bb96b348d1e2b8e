import assert from "node:assert/strict";
import { matchesGlob, parseGlobs } from "./glob.ts";

function matches(pattern: string, path: string): boolean {
  return matchesGlob(parseGlobs(pattern), path);
}

Deno.test("matchesGlob() compares whole paths as a shell does", () => {
  const yes: readonly (readonly [string, string])[] = [
    ["/var/log/*.log", "/var/log/a.log"],
    ["/var/log/*.log", "/var/log/.log".replace(".log", "x.log")],
    ["/var/log/app-?.log", "/var/log/app-1.log"],
    ["/var/log/app-[0-9].log", "/var/log/app-7.log"],
    ["/var/log/app-[!0-9].log", "/var/log/app-x.log"],
    ["/var/log/[]]", "/var/log/]"],
    ["/var/{log,tmp}/*.{log,txt}", "/var/tmp/a.txt"],
    ["/var/a{b,c{d,e}}f", "/var/acef"],
    ["/var/**/*.log", "/var/a.log"],
    ["/var/**/*.log", "/var/x/y/a.log"],
    ["/var/**", "/var/x/y"],
    ["/var/a\\*b", "/var/a*b"],
    ["/var/a\\{b", "/var/a{b"],
    ["/var/log/a+b(c).log", "/var/log/a+b(c).log"],
    ["/var/.*", "/var/.hidden"],
    ["/var//log/./a", "/var/log/a"],
    ["/var/log/a\nb*", "/var/log/a\nbc"],
  ];
  for (const [pattern, path] of yes) assert.ok(matches(pattern, path), `${pattern} should match ${path}`);
  const no: readonly (readonly [string, string])[] = [
    ["/var/log/*.log", "/var/log/a.log.1"],
    ["/var/log/*.log", "/var/log/x/a.log"],
    ["/var/log/*.log", "/var/log/.a.log"],
    ["/var/log/app-?.log", "/var/log/app-12.log"],
    ["/var/log/app-[0-9].log", "/var/log/app-x.log"],
    ["/var/log/app-[!0-9].log", "/var/log/app-7.log"],
    ["/var/log/a[!b]c", "/var/log/a/c"],
    ["/var/**/*.log", "/var/.git/a.log"],
    ["/var/log/a.log", "/var/log/aXlog"],
    ["/var/a\\*b", "/var/axb"],
  ];
  for (const [pattern, path] of no) assert.ok(!matches(pattern, path), `${pattern} should not match ${path}`);
});

Deno.test("parseGlobs() splits into names, matches and deep parts", () => {
  const [glob] = parseGlobs("/var/log/**/a?.log");
  assert.deepEqual(glob!.segments.map(({ kind }) => kind), ["name", "name", "deep", "match"]);
});

Deno.test("parseGlobs() refuses what stays open or explodes", () => {
  assert.throws(() => parseGlobs("/a[b"), /"\[" has no "\]"/);
  assert.throws(() => parseGlobs("/a{b,c"), /"\{" has no "\}"/);
  assert.throws(() => parseGlobs("/" + "{a,b,c,d}".repeat(8)), /more than 1000/);
});
