/** Arrays of bytes put together, and given up. */

/** All parts in one new array, in order. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * Gives the storage of `bytes` back at once. The collector comes by only after some 200 chunks of 64 KiB, which count
 * little among what it counts. Does nothing where `bytes` is a part of something larger. Nobody may use them afterwards.
 */
export function freeBytes({ buffer, byteLength }: Uint8Array): void {
  if (byteLength > 0 && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
