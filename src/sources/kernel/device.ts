/** `/dev/kmsg`, opened for reading without waiting. One read gives one record. */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { failure } from "../../pipeline/errors.ts";

/** Where the kernel's records come from. Closed by whoever opened it. */
export interface KernelDevice {
  /**
   * The bytes of the next record, valid until the next call; `end` when there is none yet; `overrun` when records were
   * overwritten before they were read, and reading goes on at the oldest one that is left.
   */
  read(): Uint8Array | "end" | "overrun";
  close(): void;
}

/** Opens the device at its oldest record. @throws where that is not allowed: it asks for root or CAP_SYSLOG */
export function openKernelDevice(path: string): KernelDevice {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw failure("read", `"${path}"`, error, "run as root, or with the capability CAP_SYSLOG");
  }
  const buffer = new Uint8Array(bufferBytes);
  return {
    read: () => readRecord(file, buffer, path),
    close: () => closeSync(file),
  };
}

function readRecord(file: number, buffer: Uint8Array, path: string): Uint8Array | "end" | "overrun" {
  try {
    const length = readSync(file, buffer, 0, buffer.length, null);
    return length === 0 ? "end" : buffer.subarray(0, length);
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === "EAGAIN") return "end";
    if (code === "EPIPE") return "overrun";
    if (code === "EINTR") return readRecord(file, buffer, path);
    throw failure("read", `"${path}"`, error);
  }
}

/** A record takes 8 KiB at the most; the kernel refuses to read one into less than it needs. */
const bufferBytes = 16 * 1024;
