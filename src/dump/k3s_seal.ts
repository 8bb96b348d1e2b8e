/**
 * The seal of k3s's script: the archive by AES-256-CBC, the key by RSA, both in an outer tar.gz. A tar needs the size of a
 * member before its bytes, so the encrypted archive waits in a file without a name: nothing is left of it, however we end.
 */
import { constants, createCipheriv, publicEncrypt } from "node:crypto";
import { join } from "node:path";
import { encodeTarHeader, tarEndBytes, tarPaddingBytes } from "../formats/tar.ts";
import { failure, UsageError } from "../pipeline/errors.ts";
import { removeIfThere, writeAllSync } from "../system/atomic_file.ts";
import { gzip } from "./gzip_stream.ts";
import { encodeK3sSecrets, type K3sForm, k3sIntegrity, k3sMembers } from "./k3s_form.ts";
import type { Seal } from "./seal.ts";

/** How the bundle is sealed. */
export interface K3sSealOptions {
  /** Whether the secrets go along, encrypted to the public key; otherwise the caller prints them (`nometa`). */
  readonly includeSecrets: boolean;
}

/**
 * A seal for `form`; the plain archive has one top folder, `form.base`.
 * @throws {UsageError} when the secrets shall go along and there is no key to encrypt them to
 */
export function k3sSeal(form: K3sForm, { includeSecrets }: K3sSealOptions): Seal {
  if (includeSecrets && form.publicKey === undefined) {
    throw new UsageError(
      'no public key for the k3s format\nTry: PUBKEY="$(cat diags.public.pem)" in the environment, or --mode gather-upload-nometa',
    );
  }
  return {
    suffix: ".tar.gz",
    // Padding, three headers with their blocks, the end of the archive; the outer gzip stores what it cannot shrink.
    overheadBytes: (plainBytes) => 16 + 8 * 1_024 + Math.ceil(plainBytes / 8_192) * 5 + 1_024,
    seal: (plain) => sealStream(form, includeSecrets, plain),
  };
}

async function* sealStream(
  form: K3sForm,
  includeSecrets: boolean,
  plain: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  using waiting = openNameless(form.temporaryFolder);
  const integrity = k3sIntegrity(form.secrets);
  const cipher = createCipheriv("aes-256-cbc", form.secrets.key, form.secrets.iv);
  let sizeBytes = 0;
  const keep = (bytes: Uint8Array): void => {
    try {
      writeAllSync(waiting, bytes);
    } catch (error) {
      throw failure(
        "write",
        `the encrypted archive in "${form.temporaryFolder}"`,
        error,
        "TMPDIR=FOLDER with more room",
      );
    }
    integrity.update(bytes);
    sizeBytes += bytes.length;
  };
  for await (const bytes of plain) keep(cipher.update(bytes));
  keep(cipher.final());
  waiting.seekSync(0, Deno.SeekMode.Start);
  const { base, publicKey } = form;
  const members: Member[] = [{ name: k3sMembers.logs(base), sizeBytes, content: readAll(waiting) }];
  if (includeSecrets) {
    const text = new TextEncoder().encode(encodeK3sSecrets(form.secrets));
    const sealed = publicEncrypt({ key: publicKey!, padding: constants.RSA_PKCS1_PADDING }, text);
    members.push(memberOf(k3sMembers.secrets(base), new Uint8Array(sealed)));
  }
  const line = `hmac-sha256=${integrity.digest("hex")}\n`;
  members.push(memberOf(k3sMembers.integrity(base), new TextEncoder().encode(line)));
  yield* packGzip(members);
}

interface Member {
  readonly name: string;
  readonly sizeBytes: number;
  readonly content: AsyncIterable<Uint8Array>;
}

function memberOf(name: string, bytes: Uint8Array): Member {
  return { name, sizeBytes: bytes.length, content: ReadableStream.from([bytes]) };
}

/** A tar.gz of members: random bytes do not shrink, and the quickest level makes them 6 % longer, so they are stored. */
function packGzip(members: readonly Member[]): AsyncIterable<Uint8Array> {
  const modified = new Date();
  async function* archive(): AsyncGenerator<Uint8Array> {
    for (const { name, sizeBytes, content } of members) {
      yield encodeTarHeader({ name, sizeBytes, mode: 0o600, modified });
      yield* content;
      yield new Uint8Array(tarPaddingBytes(sizeBytes));
    }
    yield new Uint8Array(tarEndBytes);
  }
  return gzip(archive(), 0);
}

/** A file of this process alone: its name is removed at once, so that a crash leaves nothing. */
function openNameless(folder: string): Deno.FsFile {
  const path = join(folder, `agent-dump-${crypto.randomUUID()}`);
  try {
    const file = Deno.openSync(path, { read: true, write: true, createNew: true, mode: 0o600 });
    removeIfThere(path);
    return file;
  } catch (error) {
    throw failure("use folder", `"${folder}"`, error, "TMPDIR=FOLDER with room for the encrypted archive");
  }
}

async function* readAll(file: Deno.FsFile): AsyncGenerator<Uint8Array> {
  for (;;) {
    const bytes = new Uint8Array(256 * 1024);
    const count = await file.read(bytes);
    if (count === null) return;
    yield bytes.subarray(0, count);
  }
}
