/** The kernel's log: the ring of this boot without waiting for more, what pstore kept of the boot before, or `dmesg`. */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { parseKernelRecord } from "../../formats/kmsg.ts";
import { severityName } from "../../formats/priority.ts";
import { BootClock } from "../../system/boot.ts";
import type { Artifact, Collector, DumpContext } from "../collector.ts";
import { collector, commandArtifact, fileArtifacts } from "./define.ts";
import { namesIn, noteFailure, toFileError } from "./files.ts";

/** The ring and pstore. */
export const kernelLogCollector: Collector = collector({
  id: "kernel/log",
  summary: "the kernel's log, and what pstore kept of a crash",
  plan: () => ["read /dev/kmsg without waiting, or run dmesg", "read /sys/fs/pstore/*, /var/lib/systemd/pstore/**"],
  async *collect(context): AsyncIterable<Artifact> {
    const ring = context.machine.live ? ringArtifact(context) : undefined;
    if (ring !== undefined) yield ring;
    for (const folder of ["/sys/fs/pstore", "/var/lib/systemd/pstore"]) {
      for (const name of await namesIn(context, folder, 200)) {
        const from = `${folder}/${name}`;
        yield* filesBelow(context, from, `kernel/pstore/${name}`);
      }
    }
  },
});

/** systemd-pstore keeps a folder per crash; pstore itself has no folders. */
async function* filesBelow(context: DumpContext, from: string, to: string): AsyncIterable<Artifact> {
  const names = await namesIn(context, from, 200);
  const specs = names.length === 0 ? [{ from, to }] : names.map((name) => ({
    from: `${from}/${name}`,
    to: `${to}/${name}`,
  }));
  yield* fileArtifacts(context, specs.map((spec) => ({ ...spec, kind: "log", maxBytes: 4 * 1_048_576 })));
}

/** Undefined, and noted, where neither the device nor a program gives it: a chroot and most containers have none. */
function ringArtifact(context: DumpContext): Artifact | undefined {
  const to = "kernel/dmesg.log";
  const ring = openRing();
  if (typeof ring === "number") return { path: to, kind: "log", origin: "/dev/kmsg", content: readRing(context, ring) };
  if (context.machine.which("dmesg") !== undefined) {
    return commandArtifact(context, { program: "dmesg", args: [], to, kind: "log", timeoutMs: 5_000 });
  }
  noteFailure(context, to, toFileError(ring, "/dev/kmsg"));
  return undefined;
}

/** Closed by the reader of the content. */
function openRing(): number | Error {
  try {
    return openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return error as Error;
  }
}

/** Lines `2026-11-20T20:30:00.123Z [   12.345678] warning: text`; gaps in the numbers are said. */
async function* readRing(context: DumpContext, ring: number): AsyncIterable<Uint8Array> {
  const bootAtMs = new BootClock().bootAtMs();
  const bytes = new Uint8Array(16_384);
  let last = -1;
  let lines: string[] = [];
  try {
    for (let reads = 0; reads < maxRecords && !context.signal.aborted; reads++) {
      const size = readOne(ring, bytes);
      if (size === "overrun") continue; // the numbers tell how many are gone
      if (size === "end") break;
      const record = parseKernelRecord(bytes.subarray(0, size));
      if (record === undefined) continue;
      const missing = record.sequence - last - 1;
      if (last >= 0 && missing > 0) lines.push(`--- gap: ${missing} records were overwritten before they were read\n`);
      last = record.sequence;
      const timeMs = bootAtMs + record.timeUs / 1_000;
      if (timeMs < (context.since?.getTime() ?? -Infinity) || timeMs > (context.until?.getTime() ?? Infinity)) continue;
      const stamp = (record.timeUs / 1e6).toFixed(6).padStart(13);
      const severity = severityName(record.priority & 7);
      lines.push(`${new Date(timeMs).toISOString()} [${stamp}] ${severity}: ${record.text}\n`);
      if (lines.length >= 512) {
        yield encoder.encode(lines.join(""));
        lines = [];
        await Promise.resolve();
      }
    }
    if (lines.length > 0) yield encoder.encode(lines.join(""));
  } finally {
    closeSync(ring);
  }
}

function readOne(ring: number, bytes: Uint8Array): number | "overrun" | "end" {
  try {
    return readSync(ring, bytes, 0, bytes.length, null);
  } catch (error) {
    const code = (error as { code?: string }).code;
    return code === "EPIPE" ? "overrun" : "end"; // EAGAIN: all of it is read
  }
}

const encoder = new TextEncoder();
/** A ring holds less; the bound is for a kernel that writes faster than we read. */
const maxRecords = 500_000;
