/**
 * Reads a tar archive of anybody (POSIX.1-2017 pax, ustar, and the long names of GNU tar): bounded in memory, number and
 * size of entries, and strict, because what is odd in a bundle is damage or an attack.
 */
import { BundleError } from "../bundle_error.ts";
import { ByteReader } from "./byte_reader.ts";

/** One entry. Its content must be read before the next entry is asked for; what is left of it is passed over. */
export interface TarItem {
  /** As it stands in the archive: not safe to be used or shown. */
  readonly name: string;
  readonly kind: "file" | "folder" | "symlink" | "hardlink" | "device" | "other";
  readonly sizeBytes: number;
  readonly modified: Date;
  readonly content: AsyncIterable<Uint8Array>;
}

/** How much an archive may hold. */
export interface TarLimits {
  /** Bytes of the unpacked archive. */
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/** The entries in their order. @throws {BundleError} at damage, at a missing end, and at a limit */
export async function* readTar(source: AsyncIterable<Uint8Array>, limits: TarLimits): AsyncGenerator<TarItem> {
  const reader = new ByteReader(limited(source, limits.maxBytes));
  try {
    for (let count = 0;;) {
      const item = await readItem(reader);
      if (item === undefined) return await readEnd(reader);
      if (++count > limits.maxEntries) {
        throw new BundleError("limit", `the archive has more than ${limits.maxEntries} entries`);
      }
      yield item.item;
      await item.skipRest();
    }
  } finally {
    await reader.close();
  }
}

interface OpenItem {
  readonly item: TarItem;
  skipRest(): Promise<void>;
}

/** What headers before an entry say about it. */
interface Overrides {
  name?: string;
  sizeBytes?: number;
}

async function readItem(reader: ByteReader): Promise<OpenItem | undefined> {
  const overrides: Overrides = {};
  for (;;) {
    const header = await readBlock(reader);
    if (header.every((byte) => byte === 0)) return undefined;
    checkSum(header);
    const type = String.fromCharCode(header[156]!);
    const sizeBytes = readNumber(header.subarray(124, 136));
    if (!"xgLK".includes(type)) return openItem(reader, header, type, sizeBytes, overrides);
    if (sizeBytes > maxMetaBytes) throw new BundleError("damaged", "the archive has a header of senseless size");
    const body = await reader.readUpTo(sizeBytes);
    await skip(reader, paddingBytes(sizeBytes));
    if (type === "x") readPax(body, overrides);
    if (type === "L") overrides.name = readText(body);
  }
}

function openItem(
  reader: ByteReader,
  header: Uint8Array,
  type: string,
  headerBytes: number,
  overrides: Overrides,
): OpenItem {
  if (type === "S") throw new BundleError("format", "the archive has sparse files, which are not supported");
  const name = overrides.name ?? readName(header);
  const kind = kindOf(type, name);
  // Links, folders and devices have no content, whatever their header says.
  const sizeBytes = kind === "file" || kind === "other" ? overrides.sizeBytes ?? headerBytes : 0;
  let left = sizeBytes;
  const content = async function* (): AsyncGenerator<Uint8Array> {
    while (left > 0) {
      const piece = await reader.readSome(left);
      if (piece === undefined) throw cutOff();
      left -= piece.length;
      yield piece;
    }
  };
  return {
    item: {
      name,
      kind,
      sizeBytes,
      modified: new Date(Math.min(readNumber(header.subarray(136, 148)) * 1_000, maxDateMs)),
      content: content(),
    },
    skipRest: async () => {
      await skip(reader, left);
      left = 0;
      await skip(reader, paddingBytes(sizeBytes));
    },
  };
}

/** The rest must be the zeros of the end: reading them also proves the checksums of what the archive is packed in. */
async function readEnd(reader: ByteReader): Promise<void> {
  for await (const bytes of reader.rest()) {
    if (bytes.some((byte) => byte !== 0)) throw new BundleError("damaged", "something follows the end of the archive");
  }
}

async function readBlock(reader: ByteReader): Promise<Uint8Array> {
  const block = await reader.readUpTo(512);
  if (block.length < 512) throw cutOff();
  return block;
}

async function skip(reader: ByteReader, count: number): Promise<void> {
  for (let left = count; left > 0;) {
    const piece = await reader.readSome(left);
    if (piece === undefined) throw cutOff();
    left -= piece.length;
  }
}

function checkSum(header: Uint8Array): void {
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? 0x20 : header[i]!;
  if (readNumber(header.subarray(148, 156)) !== sum) {
    throw new BundleError("damaged", "the archive is damaged: a header's checksum is wrong");
  }
}

/** Octal digits, or for large values a binary number whose first bit is set. */
function readNumber(field: Uint8Array): number {
  if ((field[0]! & 0x80) !== 0) {
    const value = field.reduce((sum, byte, i) => sum * 256 + (i === 0 ? byte & 0x7f : byte), 0);
    if (!Number.isSafeInteger(value)) throw new BundleError("damaged", "the archive has a number of senseless size");
    return value;
  }
  const text = readText(field).trim();
  if (!/^[0-7]*$/.test(text)) throw new BundleError("damaged", "the archive is damaged: a header holds no number");
  return text === "" ? 0 : parseInt(text, 8);
}

function readName(header: Uint8Array): string {
  const name = readText(header.subarray(0, 100));
  const isUstar = readText(header.subarray(257, 263)) === "ustar";
  const prefix = isUstar ? readText(header.subarray(345, 500)) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

function readPax(body: Uint8Array, overrides: Overrides): void {
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at);
    const length = space < 0 ? 0 : Number(decoder.decode(body.subarray(at, space)));
    if (!Number.isInteger(length) || length < 5 || at + length > body.length) {
      throw new BundleError("damaged", "the archive is damaged: a pax header cannot be read");
    }
    const record = decoder.decode(body.subarray(space + 1, at + length - 1));
    const [key, value] = [record.slice(0, record.indexOf("=")), record.slice(record.indexOf("=") + 1)];
    if (key === "path") overrides.name = value;
    if (key === "size" && /^\d{1,15}$/.test(value)) overrides.sizeBytes = Number(value);
    if (key.startsWith("GNU.sparse.")) {
      throw new BundleError("format", "the archive has sparse files, which are not supported");
    }
    at += length;
  }
}

function kindOf(type: string, name: string): TarItem["kind"] {
  if (type === "0" || type === "\0" || type === "7") return name.endsWith("/") ? "folder" : "file";
  const kinds: Readonly<Record<string, TarItem["kind"]>> = {
    "1": "hardlink",
    "2": "symlink",
    "3": "device",
    "4": "device",
    "5": "folder",
    "6": "device",
  };
  return kinds[type] ?? "other";
}

async function* limited(source: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let count = 0;
  for await (const bytes of source) {
    count += bytes.length;
    if (count > maxBytes) {
      throw new BundleError("limit", `unpacked it has more than ${maxBytes} bytes\nTry: --max-size SIZE`);
    }
    yield bytes;
  }
}

function readText(field: Uint8Array): string {
  const end = field.indexOf(0);
  return decoder.decode(end < 0 ? field : field.subarray(0, end));
}

function paddingBytes(sizeBytes: number): number {
  return (512 - sizeBytes % 512) % 512;
}

function cutOff(): BundleError {
  return new BundleError("damaged", "the archive is cut off");
}

const decoder = new TextDecoder();
const maxMetaBytes = 1024 * 1024;
const maxDateMs = 8.64e15;
