import assert from "node:assert/strict";
import { UsageError } from "../pipeline/errors.ts";
import type { Collector, DumpProfile } from "./collector.ts";
import { chooseCollectors, parseTimeouts } from "./selection.ts";

const table = [of("system/disk"), of("system/sysctl", ["complete"]), of("kubernetes/cluster"), of("logs/files")];

function of(id: string, profiles: readonly DumpProfile[] = ["speed", "complete", "size"]): Collector {
  return {
    id,
    summary: id,
    profiles,
    optional: false,
    timeoutMs: 1_000,
    skips: () => Promise.resolve(undefined),
    plan: () => [],
    collect: async function* (): AsyncGenerator<never> {},
  };
}

function chosen(profile: DumpProfile, only: readonly string[], skip: readonly string[]): readonly string[] {
  return chooseCollectors(table, { profile, only, skip }).map(({ id }) => id);
}

Deno.test("chooseCollectors() takes those of the profile; --only also others; --skip wins", () => {
  assert.deepEqual(chosen("speed", [], []), ["system/disk", "kubernetes/cluster", "logs/files"]);
  assert.deepEqual(chosen("speed", ["sysctl", "logs"], []), ["system/sysctl", "logs/files"]);
  assert.deepEqual(chosen("complete", ["sys*", "kubernetes/cluster"], ["system/disk"]), [
    "system/sysctl",
    "kubernetes/cluster",
  ]);
  assert.throws(() => chosen("speed", ["systm"], []), UsageError);
});

Deno.test("parseTimeouts() knows collectors, groups and programs; what is closer said wins", () => {
  const timeouts = parseTimeouts(["system=2s", "30s", "system/disk=1s", "kubectl=500ms"], table);
  assert.deepEqual(["system/disk", "system/sysctl", "logs/files"].map((id) => timeouts.of(id)), [1_000, 2_000, 30_000]);
  assert.equal(timeouts.programs.get("kubectl"), 500);
  assert.equal(parseTimeouts([], table).of("system/disk"), undefined);
  for (const word of ["soon", "system=", "system=0s", "=3s"]) {
    assert.throws(() => parseTimeouts([word], table), UsageError);
  }
});
