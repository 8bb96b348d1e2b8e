/** Decimal numbers in bytes, read and written without a string. */

/** Writes a whole number ≥ 0 at `at` and returns the offset behind it. The caller has left room (16 bytes do). */
export function writeDecimal(value: number, into: Uint8Array, at: number): number {
  const end = at + decimalLength(value);
  for (let i = end - 1; i >= at; i--) {
    const rest = value % 10;
    into[i] = 48 + rest;
    value = (value - rest) / 10;
  }
  return end;
}

/** Number of digits of a whole number ≥ 0. */
export function decimalLength(value: number): number {
  let length = 1;
  for (let limit = 10; value >= limit; limit *= 10) length++;
  return length;
}
