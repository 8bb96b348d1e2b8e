import { equal } from "node:assert/strict";
import { changelogOf } from "./changelog.ts";

Deno.test("changelogOf() groups subjects by area, once each, newest first", () => {
  const log = [
    "2026-11-21\trelp: answer once",
    "2026-11-20\tTap: drop *whole* lines",
    "2026-11-20\trelp: read on",
    "2026-11-19\trelp: answer once",
    "2026-11-18\tMerge branch x",
    "2026-11-17\tbegin",
    "",
  ].join("\n");
  equal(
    changelogOf("1.2.3", log),
    "# agent 1.2.3 (2026-11-21)\n\n## other\n\n- begin\n\n## relp\n\n- answer once\n- read on\n\n" +
      "## tap\n\n- drop \\*whole\\* lines\n",
  );
});

Deno.test("changelogOf() says only the version where nothing was done", () => {
  equal(changelogOf("1.0.0", ""), "# agent 1.0.0\n");
});
