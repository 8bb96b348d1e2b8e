/** Opens the age format. */
import { Decrypter } from "age-encryption";
import { errorText } from "../../pipeline/errors.ts";
import { decryptStream, deriveStreamKey, streamNonceBytes } from "../age_stream.ts";
import { BundleError } from "../bundle_error.ts";
import { ByteReader } from "./byte_reader.ts";
import type { OpeningKeys } from "./keys.ts";

/** First bytes of every age file. */
export const ageMagic = "age-encryption.org/v1\n";

/** The key of the payload of `sealed`. @throws {BundleError} when no key fits, or the header is damaged */
export async function unwrapFileKey(sealed: AsyncIterable<Uint8Array>, keys: OpeningKeys): Promise<Uint8Array> {
  const reader = new ByteReader(sealed);
  try {
    const header = await readHeader(reader);
    return await decryptHeader(header, keys);
  } finally {
    await reader.close();
  }
}

/** The plain bytes of `sealed`. @throws {BundleError} at the first chunk that is not what was sealed */
export async function* openAge(sealed: AsyncIterable<Uint8Array>, fileKey: Uint8Array): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(sealed);
  try {
    await readHeader(reader);
    const nonce = await reader.readUpTo(streamNonceBytes);
    if (nonce.length < streamNonceBytes) throw new BundleError("damaged", "the file is cut off");
    yield* decryptStream(deriveStreamKey(fileKey, nonce), reader.rest());
  } finally {
    await reader.close();
  }
}

/** Lines up to and with the one of the MAC. */
async function readHeader(reader: ByteReader): Promise<Uint8Array> {
  const header = new Uint8Array(maxHeaderBytes);
  let length = 0;
  for (let lineStart = 0; length < maxHeaderBytes;) {
    const [byte] = await reader.readUpTo(1);
    if (byte === undefined) throw new BundleError("damaged", "the file is cut off in its header");
    header[length++] = byte;
    if (byte !== 0x0a) continue;
    if (new TextDecoder().decode(header.subarray(lineStart, lineStart + 4)) === "--- ") return header.slice(0, length);
    lineStart = length;
  }
  throw new BundleError("damaged", "the file's header has no end");
}

async function decryptHeader(header: Uint8Array, keys: OpeningKeys): Promise<Uint8Array> {
  const kinds = [...new TextDecoder().decode(header).matchAll(/^-> (\S+)/gm)].map(([, kind]) => kind!);
  const decrypter = new Decrypter();
  for (const identity of keys.identities) decrypter.addIdentity(identity);
  if (kinds.includes("scrypt")) {
    if (keys.passphrase === undefined) {
      throw new BundleError("key", "it is encrypted with a passphrase\nTry: --passphrase, or --passphrase-file FILE");
    }
    decrypter.addPassphrase(await keys.passphrase());
  }
  try {
    return await decrypter.decryptHeader(header);
  } catch (error) {
    if (/no identity matched/.test(errorText(error))) throw noKeyFits(kinds, keys);
    throw new BundleError("damaged", `the file's header is damaged: ${errorText(error)}`, { cause: error });
  }
}

function noKeyFits(kinds: readonly string[], keys: OpeningKeys): BundleError {
  if (kinds.includes("scrypt")) return new BundleError("key", "the passphrase is wrong");
  const offered = keys.identities.length === 0
    ? "no age identity is named"
    : "none of the identities is of a recipient";
  return new BundleError(
    "key",
    `${offered}; it is encrypted to ${kinds.length} (${kinds.join(", ")})\nTry: --identity FILE`,
  );
}

/** 64 post-quantum recipients have 130 KiB. */
const maxHeaderBytes = 256 * 1024;
