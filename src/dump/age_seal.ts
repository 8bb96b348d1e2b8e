/** The age format (age-encryption.org/v1): to public keys, or to a passphrase. `age -d` opens it. */
import { Encrypter, type Recipient, Stanza } from "age-encryption";
import { createCipheriv, randomBytes, scryptSync } from "node:crypto";
import { deriveStreamKey, encryptStream, streamChunkBytes, streamNonceBytes, streamTagBytes } from "./age_stream.ts";
import { UsageError } from "../pipeline/errors.ts";
import { parseRecipients } from "./recipients.ts";
import type { Seal } from "./seal.ts";

/** Who may open the file: holders of keys, or whoever knows the passphrase. */
export type AgeKeys = { readonly recipients: readonly string[] } | { readonly passphrase: string };

/** A seal for `keys`. @throws {UsageError} at once, when they cannot be used */
export function ageSeal(keys: AgeKeys): Seal {
  const wrap = "passphrase" in keys ? passphraseRecipients(keys.passphrase) : keyRecipients(keys.recipients);
  const headerBytes = "passphrase" in keys ? 512 : 256 + wrap.length * maxStanzaBytes;
  return {
    suffix: ".tar.gz.age",
    overheadBytes: (plainBytes) =>
      headerBytes + streamNonceBytes + streamTagBytes * Math.max(1, Math.ceil(plainBytes / streamChunkBytes)),
    seal: (plain) => sealStream(wrap, plain),
  };
}

async function* sealStream(
  recipients: readonly (string | Recipient)[],
  plain: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const { header, fileKey } = await makeHeader(recipients);
  yield header;
  const nonce = new Uint8Array(randomBytes(streamNonceBytes));
  yield nonce;
  yield* encryptStream(deriveStreamKey(fileKey, nonce), plain);
}

/** The library encrypts nothing, so that it makes the header; one more "recipient" tells us the key it chose. */
async function makeHeader(
  recipients: readonly (string | Recipient)[],
): Promise<{ readonly header: Uint8Array; readonly fileKey: Uint8Array }> {
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  let fileKey: Uint8Array | undefined;
  encrypter.addRecipient({
    wrapFileKey: (key) => {
      fileKey = key.slice();
      return [];
    },
  });
  const empty = await encrypter.encrypt(new Uint8Array());
  if (fileKey === undefined) throw new Error("Cannot encrypt the bundle: the age library named no key");
  return { header: empty.subarray(0, empty.length - streamNonceBytes - streamTagBytes), fileKey };
}

function keyRecipients(words: readonly string[]): readonly string[] {
  const recipients = parseRecipients(words);
  if (recipients.length === 0) throw new UsageError("no recipient is named\nTry: --recipient age1…");
  return recipients;
}

/**
 * The scrypt stanza by the runtime's own scrypt: the library's needs 256 MiB and seconds. It stands alone, as the format
 * demands. @throws {UsageError} for a passphrase that can be guessed
 */
function passphraseRecipients(passphrase: string): readonly Recipient[] {
  if ([...passphrase].length < minPassphraseLength) {
    throw new UsageError(`the passphrase is shorter than ${minPassphraseLength} characters\nTry: four words and more`);
  }
  return [{
    wrapFileKey: (fileKey) => {
      const salt = randomBytes(16);
      const cost = 2 ** scryptLogCost;
      const salted = new Uint8Array([...new TextEncoder().encode("age-encryption.org/v1/scrypt"), ...salt]);
      const key = scryptSync(passphrase, salted, 32, { N: cost, r: 8, p: 1, maxmem: 2 * 1024 * cost });
      const cipher = createCipheriv("chacha20-poly1305", key, new Uint8Array(12), { authTagLength: streamTagBytes });
      const body = new Uint8Array([...cipher.update(fileKey), ...cipher.final(), ...cipher.getAuthTag()]);
      return [new Stanza(["scrypt", salt.toString("base64").replace(/=+$/, ""), String(scryptLogCost)], body)];
    },
  }];
}

/** 64 MiB of memory while the key is made; age itself takes 18, which a small router does not have. */
const scryptLogCost = 16;
const minPassphraseLength = 12;
/** A post-quantum stanza, the largest. */
const maxStanzaBytes = 2_048;
