/**
 * One number that survives everything: a reader's cursor, or drops that no notice has told of yet.
 *
 * ```text
 *   file   slot 0 · 480 zeros · slot 1 · 480 zeros · slot 2 · 480 zeros                                        1536 B
 *   slot   "LCUR" · generation u64 · instance u64 · value u64 · crc u32                                          32 B
 * ```
 *
 * The highest generation among the intact slots counts. There are three because at any time one is on disk for sure,
 * one is on its way there, and one takes what comes meanwhile: no slot is written while something depends on it. Each
 * has a disk sector of its own. The file never grows, so it can be written while the disk is full.
 */
import { crc32 } from "node:zlib";
import type { SpoolFile, SpoolFiles } from "./files.ts";
import { readSpan } from "./walk.ts";

/** What a slot holds. */
export interface Slot {
  readonly generation: number;
  /** Number of the spool, 16 hex digits; a value of another one means nothing. */
  readonly instance: string;
  readonly value: number;
}

/** A slot as bytes. */
export function encodeSlot(slot: Slot): Uint8Array {
  const bytes = new Uint8Array(slotBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(slotMagic);
  view.setBigUint64(4, BigInt(slot.generation));
  view.setBigUint64(12, BigInt("0x" + slot.instance));
  view.setBigUint64(20, BigInt(slot.value));
  view.setUint32(28, crc32(bytes.subarray(0, 28)));
  return bytes;
}

/** The slot in `bytes`; undefined when it is damaged or empty. */
export function decodeSlot(bytes: Uint8Array): Slot | undefined {
  if (bytes.length < slotBytes || slotMagic.some((byte, i) => bytes[i] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, slotBytes);
  if (view.getUint32(28) !== crc32(bytes.subarray(0, 28))) return undefined;
  const [generation, value] = [Number(view.getBigUint64(4)), Number(view.getBigUint64(20))];
  if (!Number.isSafeInteger(generation) || !Number.isSafeInteger(value)) return undefined;
  return { generation, instance: view.getBigUint64(12).toString(16).padStart(16, "0"), value };
}

/** The slot that counts in the file `name`, and its place; undefined where there is none. */
export function readSlots(files: SpoolFiles, name: string): { slot: Slot; index: number } | undefined {
  let file: SpoolFile | undefined;
  try {
    file = files.open(name);
    const open = file;
    const bytes = readSpan((into, offset) => open.readAt(into, offset), 0, slotCount * slotStride);
    const found = Array.from({ length: slotCount }, (_, index) => {
      const slot = decodeSlot(bytes.subarray(index * slotStride, (index + 1) * slotStride));
      return slot === undefined ? [] : [{ slot, index }];
    }).flat();
    return found.sort((a, b) => b.slot.generation - a.slot.generation)[0];
  } catch {
    return undefined; // not there, or the disk cannot read it: as good as damaged
  } finally {
    file?.close();
  }
}

/** A number on disk. What cannot be written stays in memory and is tried again with the next `sync`. */
export class SlotFile {
  readonly #files: SpoolFiles;
  readonly #name: string;
  readonly #instance: string;
  readonly #onTrouble: (error: unknown) => void;
  #file: SpoolFile | undefined;
  #value: number;
  #durable: number;
  #generation: number;
  /** Slot that is on disk for sure, and the one that takes the next value. */
  #safe: number;
  #next: number;
  #dirty = false;
  #unwritten = false;

  /** Reads the file, or makes one that holds `initial`; `onTrouble` hears of every write that failed. */
  constructor(
    files: SpoolFiles,
    name: string,
    instance: string,
    initial: number,
    onTrouble: (error: unknown) => void,
  ) {
    this.#files = files;
    this.#name = name;
    this.#instance = instance;
    this.#onTrouble = onTrouble;
    const found = readSlots(files, name);
    const ours = found?.slot.instance === instance ? found : undefined;
    this.#generation = found?.slot.generation ?? 0;
    this.#safe = found?.index ?? slotCount - 1;
    this.#next = (this.#safe + 1) % slotCount;
    this.#value = ours?.slot.value ?? initial;
    this.#durable = this.#value;
    if (ours === undefined) this.#write();
  }

  get value(): number {
    return this.#value;
  }

  /** A value that survives a power cut; behind `value` for a while. Where the disk refuses, `value`. */
  get durable(): number {
    return this.#unwritten ? this.#value : this.#durable;
  }

  get dirty(): boolean {
    return this.#dirty || this.#unwritten;
  }

  /** Survives the death of this process at once, and a power cut after `sync`. */
  set(value: number): void {
    this.#value = value;
    this.#write();
  }

  /** Makes the value survive a power cut. One call at a time. */
  async sync(): Promise<void> {
    if (this.#unwritten) this.#write();
    if (!this.#dirty || this.#file === undefined) return;
    const [value, slot] = [this.#value, this.#next];
    this.#dirty = false;
    this.#next = [0, 1, 2].find((index) => index !== slot && index !== this.#safe)!;
    try {
      await this.#file.sync();
      this.#durable = value;
      this.#safe = slot;
    } catch (error) {
      this.#dirty = true;
      this.#onTrouble(error);
    }
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #write(): void {
    try {
      this.#file ??= this.#open();
      const slot = { generation: this.#generation + 1, instance: this.#instance, value: this.#value };
      this.#file.writeAt(encodeSlot(slot), this.#next * slotStride);
      this.#generation++;
      this.#dirty = true;
      this.#unwritten = false;
    } catch (error) {
      if (!this.#unwritten) this.#onTrouble(error);
      this.#unwritten = true;
    }
  }

  #open(): SpoolFile {
    const there = this.#files.list().includes(this.#name);
    const file = there ? this.#files.openToWrite(this.#name) : this.#files.create(this.#name);
    try {
      const missing = slotCount * slotStride - file.sizeBytes;
      if (missing > 0) file.writeAt(new Uint8Array(missing), file.sizeBytes);
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }
}

const slotBytes = 32;
const slotStride = 512;
const slotCount = 3;
const slotMagic = new TextEncoder().encode("LCUR");
