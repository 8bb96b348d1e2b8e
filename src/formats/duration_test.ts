import { deepStrictEqual, throws } from "node:assert/strict";
import { formatDuration, formatSize, parseDurationMs, parseSizeBytes } from "./duration.ts";

Deno.test("parseDurationMs() adds up units", () => {
  deepStrictEqual(["90s", "1h30m", "250ms", "1.5s", "2d"].map(parseDurationMs), [
    90_000,
    5_400_000,
    250,
    1_500,
    172_800_000,
  ]);
});

Deno.test("parseDurationMs() refuses a bare number and says what is allowed", () => {
  for (const text of ["90", "", "s", "-1s", "1 s", "90sec"]) throws(() => parseDurationMs(text), /for example 90s/);
});

Deno.test("parseSizeBytes() tells decimal from binary units", () => {
  deepStrictEqual(["64MiB", "10KB", "512B", "0B", "1.5KiB"].map(parseSizeBytes), [67_108_864, 10_000, 512, 0, 1_536]);
});

Deno.test("parseSizeBytes() refuses a bare number and says what is allowed", () => {
  for (const text of ["64", "MiB", "64M", "-1B", "64 MiB"]) throws(() => parseSizeBytes(text), /for example 64MiB/);
});

Deno.test("formatDuration() and formatSize() keep two figures that matter", () => {
  deepStrictEqual([340, 12_500, 90_000, 5_400_000, 90_000_000].map(formatDuration), [
    "340ms",
    "12.5s",
    "1m 30s",
    "1h 30m",
    "1d 1h",
  ]);
  deepStrictEqual([12, 1_536, 67_108_864].map(formatSize), ["12B", "1.5KiB", "64MiB"]);
});
