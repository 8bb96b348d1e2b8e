/**
 * A self-extracting file: a POSIX shell header and behind it a gzipped tar with the runtime and the program.
 *
 * ```text
 *   #!/bin/sh … exec …    gzip( tar( deno  main.js  ship-….js  … ) )
 *   header.sh, filled in  ↑ @PAYLOAD_START@, SHA-256 in the header
 * ```
 *
 * gzip, because every busybox can undo it in half a second. The same input gives the same bytes on every machine, which holds
 * for level 9 alone: below it, the runtime's zlib hashes with what the processor offers, and finds other matches on each.
 */
import { basename } from "node:path";
import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar";
import type { Target } from "../../targets/mod.ts";
import { entryName } from "./bundle.ts";
import { offlineFlags, programFlags } from "./flags.ts";
import { readRuntime, sha256Hex } from "./runtime.ts";

/** What a packed file takes. */
export interface PackedSize {
  readonly fileBytes: number;
  readonly unpackedBytes: number;
}

/** Packs `chunks` and the runtime of `target` into one executable file at `output`, which is replaced as a whole. */
export async function packSelfExtracting(
  target: Target,
  version: string,
  chunks: readonly string[],
  output: string,
): Promise<PackedSize> {
  const runtime = await readRuntime(target);
  const programs = chunks.map((path) => ({ name: basename(path), mode: 0o644, body: Deno.readFileSync(path) }));
  const files = [{ name: "deno", mode: 0o755, body: runtime }, ...programs];
  const tar = await packTar(files.map(({ name, mode, body }) => ({
    header: { name, mode, size: body.length, mtime: new Date(0), uid: 0, gid: 0, type: "file" as const },
    body,
  })));
  const payload = gzipSync(tar, { level: 9 });
  const unpackedBytes = files.reduce((sum, { body }) => sum + body.length, 0);
  const header = fillHeader({
    VERSION: version,
    TARGET: target.triple,
    SHORT_SUM: sha256Hex(payload).slice(0, 16),
    PAYLOAD_SUM: sha256Hex(payload),
    RUNTIME_BYTES: `${runtime.length}`,
    UNPACKED_MIB: `${Math.ceil(unpackedBytes / 2 ** 20) + 8}`,
    ENTRY: entryName,
    LOADER: target.loader,
    RUN_FLAGS: ["run", ...programFlags, ...offlineFlags].join(" "),
  });
  writeExecutable(output, [header, payload]);
  return { fileBytes: header.length + payload.length, unpackedBytes };
}

/** The header with its places filled in; its own length is one of them. */
function fillHeader(values: Readonly<Record<string, string>>): Uint8Array {
  const template = Deno.readTextFileSync(new URL("./header.sh", import.meta.url));
  const encoder = new TextEncoder();
  for (let start = 0;;) {
    const places: Readonly<Record<string, string>> = { ...values, PAYLOAD_START: `${start}` };
    const text = template.replaceAll(/@([A-Z_]+)@/g, (place, key: string) => places[key] ?? unknownPlace(place));
    const header = encoder.encode(text);
    if (header.length + 1 === start) return header;
    start = header.length + 1; // longer digits move the payload once more, at the most
  }
}

function unknownPlace(place: string): never {
  throw new Error(`Cannot fill in "header.sh": nothing is known for ${place}`);
}

/** The previous file may be running: it is replaced by name and never written into. */
function writeExecutable(path: string, parts: readonly Uint8Array[]): void {
  const temporary = `${path}.tmp`;
  using file = Deno.openSync(temporary, { write: true, create: true, truncate: true, mode: 0o755 });
  for (const part of parts) {
    for (let done = 0; done < part.length;) done += file.writeSync(part.subarray(done));
  }
  file.syncSync();
  Deno.chmodSync(temporary, 0o755);
  Deno.renameSync(temporary, path);
}
