import { strictEqual } from "node:assert/strict";
import type { Batch } from "../../pipeline/batch.ts";
import { escapedRecord, folderName } from "./line.ts";
import { nextName } from "./host_folder.ts";

Deno.test("escapedRecord() keeps a record on one line", () => {
  const bytes = new TextEncoder().encode("a\nb\n\nc");
  const batch = { bytes, bounds: new Uint32Array([0, bytes.length]), count: 1 } as unknown as Batch;
  strictEqual(new TextDecoder().decode(escapedRecord(batch, 0)), "a#012b#012#012c\n");
});

Deno.test("folderName() stays in its folder whatever the host calls itself", () => {
  for (
    const [host, name] of [
      ["router1", "router1"],
      ["../../etc", "__.._etc"],
      ["..", "_"],
      [".hidden", "_hidden"],
      ["a/b\0c", "a_b_c"],
      ["", "unknown"],
      ["fe80::1", "fe80::1"],
    ] as const
  ) {
    strictEqual(folderName(host), name, JSON.stringify(host));
  }
  strictEqual(folderName("x".repeat(500)).length, 128);
});

Deno.test("nextName() sorts behind the last name, also when the clock goes back", () => {
  const now = Date.UTC(2026, 10, 20, 20, 30);
  strictEqual(nextName("", now), "20261120T203000Z-0000.log");
  strictEqual(nextName("20261120T203000Z-0000.log", now), "20261120T203000Z-0001.log");
  strictEqual(nextName("20261120T203000Z-0009.log", 0), "20261120T203000Z-0010.log");
  strictEqual(nextName("20261120T203000Z-0009.log", now + 1_000), "20261120T203001Z-0000.log");
});
