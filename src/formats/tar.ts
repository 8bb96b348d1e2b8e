/**
 * Headers of a tar archive (POSIX.1-2017 pax, section "ustar Interchange Format"). Only headers: a bundle compresses
 * each entry by itself while it is gathered, so that sizes are known to the byte before anything is written, which no
 * writer of whole archives lets happen.
 */
import { joinBytes } from "./bytes.ts";

export { joinBytes };

/** One entry, without its content. */
export interface TarEntry {
  /** With `/` between folders; any length, UTF-8. A name that ends with `/` is a folder. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Permission bits. */
  readonly mode: number;
  readonly modified: Date;
}

/** The header of an entry; names over 100 bytes and sizes over 8 GiB get a pax record before it. */
export function encodeTarHeader(entry: TarEntry): Uint8Array {
  const name = new TextEncoder().encode(entry.name);
  const records: string[] = [];
  if (name.length > 100 || name.some((byte) => byte > 126)) records.push(paxRecord("path", entry.name));
  if (entry.sizeBytes > maxOctalSize) records.push(paxRecord("size", String(entry.sizeBytes)));
  const plain = header(name.subarray(0, 100), entry, entry.name.endsWith("/") ? "5" : "0");
  if (records.length === 0) return plain;
  const body = new TextEncoder().encode(records.join(""));
  const pax = header(new TextEncoder().encode("PaxHeader"), { ...entry, sizeBytes: body.length }, "x");
  return joinBytes([pax, body, new Uint8Array(tarPaddingBytes(body.length)), plain]);
}

/** Zero bytes that follow content of that size, 0..511. */
export function tarPaddingBytes(sizeBytes: number): number {
  return (512 - sizeBytes % 512) % 512;
}

/** Zero bytes that end an archive. */
export const tarEndBytes = 1_024;

function header(name: Uint8Array, entry: TarEntry, type: string): Uint8Array {
  const block = new Uint8Array(512);
  const seconds = Math.max(0, Math.floor(entry.modified.getTime() / 1_000));
  block.set(name, 0);
  put(block, 100, octal(entry.mode, 7));
  put(block, 108, octal(0, 7));
  put(block, 116, octal(0, 7));
  put(block, 124, octal(Math.min(entry.sizeBytes, maxOctalSize), 11));
  put(block, 136, octal(Math.min(seconds, maxOctalSize), 11));
  put(block, 148, "        ");
  put(block, 156, type);
  put(block, 257, "ustar\x0000");
  put(block, 148, octal(block.reduce((sum, byte) => sum + byte, 0), 6) + "\0 ");
  return block;
}

/** `LENGTH key=value\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = new TextEncoder().encode(` ${key}=${value}\n`).length;
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length++;
  return `${length} ${key}=${value}\n`;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

function put(block: Uint8Array, offset: number, text: string): void {
  for (let i = 0; i < text.length; i++) block[offset + i] = text.charCodeAt(i);
}

const maxOctalSize = 8 ** 11 - 1;
