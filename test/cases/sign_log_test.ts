/** The issue log of `agent sign`: what it remembers over restarts and damage, and two processes on one log. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { type IssuedEntry, IssueLog } from "../../src/cert/authority/issue_log.ts";

function entry(serial: string, challengeDigest?: string): IssuedEntry {
  return {
    event: "issued",
    time: "2026-11-20T12:00:00Z",
    serial,
    subject: "CN=" + "x".repeat(300),
    alternatives: [],
    notBefore: "2026-11-20T11:00:00Z",
    notAfter: "2026-12-20T12:00:00Z",
    fingerprint: "",
    keyDigest: `key of ${serial}`,
    protocol: "certifix",
    address: "192.0.2.1",
    proof: "challenge",
    ...(challengeDigest === undefined ? {} : { challengeDigest }),
  };
}

function withFolder(use: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "log" });
  try {
    use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("IssueLog reads back what is larger than its blocks, from another process's handle too", () => {
  withFolder((folder) => {
    using one = new IssueLog(folder);
    using other = new IssueLog(folder);
    for (let i = 0; i < 3_000; i++) one.exclusively(() => one.append(entry(`a${i}`, i === 7 ? "once" : undefined)));
    other.exclusively(() => other.append({ event: "revoked", time: "", serial: "a5", reason: 1, notAfter: "" }));
    one.exclusively(() => {
      strictEqual(one.isRevoked("a5"), true);
      strictEqual(one.find("a2999")?.keyDigest, "key of a2999");
      strictEqual(one.find("a3000"), undefined);
    });
    using third = new IssueLog(folder);
    strictEqual([...third.issued()].length, 3_000);
    strictEqual(third.keyOfChallenge("once"), "key of a7");
    strictEqual(third.keyOfChallenge("never"), undefined);
  });
});

Deno.test("IssueLog removes a torn end and passes over a damaged line", () => {
  withFolder((folder) => {
    const path = join(folder, "issued.jsonl");
    {
      using log = new IssueLog(folder);
      log.exclusively(() => log.append(entry("a1")));
    }
    Deno.writeTextFileSync(path, '{"event":"revoked","ser\0al"}\n{"event":"revoked","serial":"a1","rea', {
      append: true,
    });
    using log = new IssueLog(folder);
    strictEqual(log.isRevoked("a1"), false, "a revocation that nobody was told of");
    log.exclusively(() => log.append(entry("a2")));
    deepStrictEqual([...log.issued()].map(({ serial }) => serial), ["a1", "a2"]);
  });
});
