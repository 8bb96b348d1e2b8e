import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { parsePathTemplate, renderPath, safeName } from "./template.ts";

const render = (text: string, values: Readonly<Record<string, string>>): string =>
  renderPath(
    parsePathTemplate(text),
    ({ own, path }) => values[own ?? path.join(".")],
    (letter) => ({ Y: "2026", m: "11", d: "20", H: "19", M: "07" })[letter]!,
  );

Deno.test("renderPath() puts time and fields in their places", () => {
  const audit = "{objectRef.namespace|none}/audit-%Y%m%d%H.log.gz";
  strictEqual(render(audit, { "objectRef.namespace": "kube-system" }), "kube-system/audit-2026112019.log.gz");
  strictEqual(render(audit, {}), "none/audit-2026112019.log.gz");
  strictEqual(render("{host}-{program}/%H%M%%.log", { host: "r1", program: "su" }), "r1-su/1907%.log");
  strictEqual(render("{a\\.b}", { "a.b": "x" }), "x");
});

Deno.test("renderPath() stays below its folder whatever the fields say", () => {
  for (const value of ["..", ".", "../../etc/passwd", "/etc", "a/../b", "\0", "\n", "é", "x".repeat(5_000), "%2F"]) {
    const path = render("{v}/{v}.log", { v: value });
    match(path, /^[A-Za-z0-9%~_:-][A-Za-z0-9%~._:-]*\/[A-Za-z0-9%~_:-][A-Za-z0-9%~._:-]*\.log$/, path);
    ok(path.split("/").every((part) => part.length <= 200), path);
  }
});

Deno.test("safeName() gives no two values the same name", () => {
  const values = ["a/b", "a_b", "a%2Fb", "a b", ".a", "%2Ea", "x".repeat(200), "x".repeat(201), "x".repeat(199) + "y"];
  strictEqual(new Set(values.map(safeName)).size, values.length);
  deepStrictEqual(["kube-system", "a:b.c"].map(safeName), ["kube-system", "a:b.c"]);
});

Deno.test("parsePathTemplate() refuses what would leave the folder or says nothing", () => {
  for (const text of ["", "/x", "../x", "a/../b", "a//b", "a/", "%q", "%", "{", "{}", "{|x}", "{a|}", "a\nb", "./x"]) {
    throws(() => parsePathTemplate(text), Error, text);
  }
});
