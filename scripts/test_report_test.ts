/** The report is read from what Deno 2.9.5 really prints. */
import { deepEqual, equal } from "node:assert/strict";
import { countsOf, ignoredTests, summaryLine, sumOf, withoutPassed } from "./test_report.ts";

const output = `running 4 tests from ./x_test.ts
a() does one thing ... ok (3ms)
a() does another ... FAILED (1ms)
a() needs a peer ... ignored (0ms)
a() has steps ...
  first ... ok (1ms)
a() has steps ... ok (2ms)

 ERRORS

a() does another => ./x_test.ts:3:6
error: Error: no

FAILED | 2 passed (1 step) | 1 failed | 1 ignored (12ms)
`;

Deno.test("countsOf() reads the last line", () => {
  deepEqual(countsOf(output, 1), { passed: 2, failed: 1, skipped: 1 });
  deepEqual(countsOf("ok | 5 passed | 0 failed (3ms)\n", 0), { passed: 5, failed: 0, skipped: 0 });
});

Deno.test("countsOf() counts a crash as a failure, with and without a last line", () => {
  deepEqual(countsOf("Segmentation fault", 139), { passed: 0, failed: 1, skipped: 0 });
  deepEqual(countsOf("ok | 5 passed | 0 failed (3ms)\nerror: Uncaught", 1), { passed: 5, failed: 1, skipped: 0 });
});

Deno.test("ignoredTests() names them", () => deepEqual(ignoredTests(output), ["a() needs a peer"]));

Deno.test("withoutPassed() keeps the failure and drops what went well", () => {
  const text = withoutPassed(output);
  equal(/does one thing|needs a peer|first/.test(text), false);
  equal(text.includes("a() does another ... FAILED") && text.includes("error: Error: no"), true);
});

Deno.test("summaryLine() of sumOf() adds up", () => {
  const counts = [{ passed: 1, failed: 2, skipped: 3 }, { passed: 10, failed: 20, skipped: 30 }];
  equal(summaryLine(sumOf(counts)), "11 passed, 22 failed, 33 skipped");
});
