/** Whether this machine knows what time it is: devices without a battery begin in 1970 or on the day of their firmware. */

/** No release of this program is older; a clock that says so has not been set. Milliseconds since 1970. */
export const earliestTimeMs: number = Date.UTC(2025, 0, 1);

/** Whether the clock can be right. */
export function isClockSet(nowMs: number): boolean {
  return nowMs >= earliestTimeMs;
}
