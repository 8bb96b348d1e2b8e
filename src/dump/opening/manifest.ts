/** `manifest.json` of a bundle: size and SHA-256 of every other file in it. */
import { z } from "zod";

/** What the manifest says about one file. */
export interface ManifestEntry {
  readonly sizeBytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

const manifest = z.object({
  formatVersion: z.literal(1),
  files: z.array(z.object({
    path: z.string(),
    size: z.int().min(0),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  })),
});

/** The entries by path below the bundle's folder; undefined when it is no manifest of format version 1. */
export function parseManifest(text: string): ReadonlyMap<string, ManifestEntry> | undefined {
  try {
    const { files } = manifest.parse(JSON.parse(text));
    return new Map(files.map(({ path, size, sha256 }) => [path, { sizeBytes: size, sha256 }]));
  } catch {
    return undefined;
  }
}
