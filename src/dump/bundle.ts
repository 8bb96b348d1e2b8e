/**
 * The tar.gz, put together from what is already compressed: each file of some size is a gzip member of its own, small
 * ones share one. RFC 1952 section 2.2 lets members follow each other, and tar, gzip and zlib read them as one stream.
 * So its size is known to the byte before the first byte of it is written.
 */
import { encodeTarHeader, joinBytes, tarEndBytes, tarPaddingBytes } from "../formats/tar.ts";
import { gzip, gzipBytes } from "./gzip_stream.ts";
import type { KeepOptions, KeptContent } from "./kept_content.ts";
import type { KeptBytes } from "./work_file.ts";

/** One file of the bundle. */
export interface BundleFile {
  /** Below the bundle's own folder. */
  readonly path: string;
  readonly modified: Date;
  readonly content: KeptContent | Uint8Array;
}

/** A bundle that is ready to be sealed. */
export interface PackedBundle {
  /** Of the tar.gz, exactly. */
  readonly sizeBytes: number;
  read(): AsyncIterable<Uint8Array>;
}

/** Packs `files` in their order into the folder `base`. */
export async function packBundle(
  base: string,
  files: readonly BundleFile[],
  options: KeepOptions,
): Promise<PackedBundle> {
  const packer = new Packer(options);
  packer.add(encodeTarHeader({ name: `${base}/`, sizeBytes: 0, mode: 0o700, modified: new Date() }));
  for (const { path, modified, content } of files) {
    const sizeBytes = content instanceof Uint8Array ? content.length : content.sizeBytes;
    packer.add(encodeTarHeader({ name: `${base}/${path}`, sizeBytes, mode: 0o600, modified }));
    if (content instanceof Uint8Array) packer.add(content);
    else if (content.form === "plain") { for await (const bytes of content.body.read()) packer.add(bytes); }
    else packer.addMember(content.form === "member" ? content.body : await wrapped(content, options));
    packer.add(new Uint8Array(tarPaddingBytes(sizeBytes)));
  }
  packer.add(new Uint8Array(tarEndBytes));
  return packer.finish();
}

class Packer {
  readonly #options: KeepOptions;
  readonly #members: KeptBytes[] = [];
  #small: Uint8Array[] = [];
  #smallBytes = 0;

  constructor(options: KeepOptions) {
    this.#options = options;
  }

  add(bytes: Uint8Array): void {
    this.#small.push(bytes);
    this.#smallBytes += bytes.length;
    if (this.#smallBytes >= groupBytes) this.#flush();
  }

  addMember(member: KeptBytes): void {
    this.#flush();
    this.#members.push(member);
  }

  finish(): PackedBundle {
    this.#flush();
    const members = this.#members;
    return {
      sizeBytes: members.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      async *read(): AsyncGenerator<Uint8Array> {
        for (const member of members) yield* member.read();
      },
    };
  }

  #flush(): void {
    if (this.#smallBytes === 0) return;
    const keeper = this.#options.work.keep();
    keeper.write(gzipBytes(joinBytes(this.#small), this.#options.level));
    this.#members.push(keeper.end());
    this.#small = [];
    this.#smallBytes = 0;
  }
}

/** A .gz inside the tar.gz: compressing it again would gain nothing. */
async function wrapped(content: KeptContent, options: Pick<KeepOptions, "work">): Promise<KeptBytes> {
  const known = wrappers.get(content);
  if (known !== undefined) return known;
  const keeper = options.work.keep();
  for await (const bytes of gzip(content.body.read(), 0)) keeper.write(bytes);
  const member = keeper.end();
  wrappers.set(content, member);
  return member;
}

const wrappers = new WeakMap<KeptContent, KeptBytes>();
const groupBytes = 256 * 1024;
