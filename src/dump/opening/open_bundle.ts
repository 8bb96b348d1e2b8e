/** From a file of any of our formats to the entries of its archive. */
import { BundleError } from "../bundle_error.ts";
import { ageMagic, openAge, unwrapFileKey } from "./age_opening.ts";
import type { BundleFile } from "./bundle_file.ts";
import { ByteReader } from "./byte_reader.ts";
import { gunzipStrict } from "./gunzip.ts";
import { checkK3sIntegrity, decryptK3s, openK3sSecrets, readK3sArchive, readK3sOuter } from "./k3s_opening.ts";
import type { OpeningKeys } from "./keys.ts";
import { readTar, type TarItem, type TarLimits } from "./tar_reader.ts";

/** A bundle whose key was found. */
export interface OpenedBundle {
  readonly format: "age" | "k3s" | "plain";
  /** What proves that nobody changed it: age's own chunks, our member of the k3s form, or nothing. */
  readonly protection: "age" | "hmac" | "none";
  /** Reads the archive from its beginning. */
  entries(): AsyncGenerator<TarItem>;
}

/**
 * Finds out what the file is, and its key.
 * @throws {BundleError} when no key fits (`key`), it was changed (`damaged`), or it is no bundle (`format`)
 */
export async function openBundle(file: BundleFile, keys: OpeningKeys, limits: TarLimits): Promise<OpenedBundle> {
  const head = await readHead(file);
  if (new TextDecoder().decode(head).startsWith(ageMagic)) {
    const fileKey = await unwrapFileKey(file.read(), keys);
    return {
      format: "age",
      protection: "age",
      entries: () => readTar(gunzipStrict(openAge(file.read(), fileKey)), limits),
    };
  }
  if (new TextDecoder().decode(head).startsWith("-----BEGIN AGE ENCRYPTED FILE-----")) {
    throw new BundleError("format", "it is age in armor\nTry: age -d FILE > bundle.tar.gz");
  }
  if (head[0] !== 0x1f || head[1] !== 0x8b) throw new BundleError("format", "it is no bundle (neither age nor tar.gz)");
  const outer = await readK3sOuter(() => file.read(), limits);
  if (outer === undefined) {
    return { format: "plain", protection: "none", entries: () => readTar(gunzipStrict(file.read()), limits) };
  }
  const secrets = openK3sSecrets(outer, keys);
  // Before a byte of it is used: this cipher lets whoever changes the file choose what changes inside.
  if (outer.hmac !== undefined) await checkK3sIntegrity(readK3sArchive(file.read(), limits), outer.hmac, secrets);
  return {
    format: "k3s",
    protection: outer.hmac === undefined ? "none" : "hmac",
    entries: () => readTar(gunzipStrict(decryptK3s(readK3sArchive(file.read(), limits), secrets)), limits),
  };
}

async function readHead(file: BundleFile): Promise<Uint8Array> {
  const reader = new ByteReader(file.read());
  try {
    return await reader.readUpTo(64);
  } finally {
    await reader.close();
  }
}
