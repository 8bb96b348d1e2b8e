/** Which complaints count, on the real output of Deno 2.9.5. */
import { deepEqual } from "node:assert/strict";
import { docComplaints } from "./doc_lint.ts";

const output = `error[missing-jsdoc]: exported symbol is missing JSDoc documentation
  --> /p/src/a.ts:1:1
   |
1 | export function f(): void {}
   | ^


error[missing-jsdoc]: exported symbol is missing JSDoc documentation
  --> /p/src/a.ts:2:3
   |
2 |   readonly level: number;
   |   ^


error[private-type-ref]: public type 'g' references private type 'Own'
  --> /p/src/a.ts:3:1
   |
3 | export function g(): Own {}


error[private-type-ref]: public type 'h' references private type 'Command'
  --> /p/src/a.ts:4:1

error: Found 4 documentation lint errors.
`;

Deno.test("docComplaints() counts exports and own types, not members and types of packages", () => {
  const lines = ["export function f(): void {}", "  readonly level: number;", "export function g(): Own {}", ""];
  const found = docComplaints(output, {
    lineOf: (_path, line) => lines[line - 1]!,
    declares: (_path, name) => name === "Own",
  });
  deepEqual(found, [
    "/p/src/a.ts:1: exported symbol is missing JSDoc documentation",
    "/p/src/a.ts:3: public type 'g' references private type 'Own'",
  ]);
});

Deno.test("docComplaints() finds nothing in an output without complaints", () => {
  deepEqual(docComplaints("Checked 3 files\n", { lineOf: () => "", declares: () => true }), []);
});
