import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { parseDeviceChallenges } from "./challenges.ts";
import { RateLimit } from "./rate_limit.ts";
import { throws } from "node:assert/strict";

Deno.test("RateLimit lets so many through per minute, and says when there is room again", () => {
  const limit = new RateLimit(3);
  deepStrictEqual([1, 2, 3].map(() => limit.take("192.0.2.1", 0)), [undefined, undefined, undefined]);
  strictEqual(limit.take("192.0.2.1", 0), 20_000);
  strictEqual(limit.take("192.0.2.2", 0), undefined, "another address");
  strictEqual(limit.take("192.0.2.1", 20_000), undefined);
  ok(limit.take("192.0.2.1", 10_000)! > 0, "a clock that jumps back gives nothing away");
});

Deno.test("RateLimit counts an IPv6 network as one, and failures more", () => {
  const limit = new RateLimit(3);
  for (let i = 1; i <= 3; i++) strictEqual(limit.take(`2001:db8::${i}`, 0), undefined);
  ok(limit.take("2001:db8::4", 0)! > 0);
  strictEqual(limit.take("2001:db8:0:1::1", 0), undefined);
  limit.punish("2001:db8:0:1::1", 100, 0);
  strictEqual(limit.take("2001:db8:0:1::1", 59_000) !== undefined, true);
  strictEqual(limit.take("2001:db8:0:1::1", 120_000), undefined, "a punishment ends");
  strictEqual(new RateLimit(0).take("x", 0), undefined);
});

Deno.test("parseDeviceChallenges() reads NAME:SECRET and says on which line it cannot", () => {
  deepStrictEqual([...parseDeviceChallenges("# fleet\na:x:y\n\nb: z\n", "f")], [["a", "x:y"], ["b", " z"]]);
  throws(() => parseDeviceChallenges("a:x\nb\n", "f"), /f:2: not NAME:SECRET/);
  throws(() => parseDeviceChallenges("a:x\na:y\n", "f"), /f:2: "a" is there twice/);
});
