/**
 * Where reading of a journal stands, and how `journalctl` is told to go there.
 *
 * `--cursor=C` and never `--after-cursor=C`: when the entry C is gone (vacuumed, another machine's journal), journalctl
 * goes to the nearest later entry, and with `--after-cursor` it then skips that one, too (systemd 252, measured). So
 * the first entry is dropped here, if it is C itself.
 */
import type { Position, PositionValue } from "../../pipeline/checkpoint.ts";

/** The last entry that was read. */
export interface JournalPlace {
  readonly cursor: string;
  /** Its time, microseconds since 1970; 0 where unknown: the way back when the cursor cannot be sought. */
  readonly realtimeUs: number;
}

/** The place of a committed position; undefined where there is none, or garbage: then from the beginning. */
export function placeOf(position: Position | undefined): JournalPlace | undefined {
  const saved = position?.journal;
  if (typeof saved !== "object" || saved === null || Array.isArray(saved)) return undefined;
  const { cursor, realtimeUs } = saved as Record<string, PositionValue>;
  if (typeof cursor !== "string" || cursor === "") return undefined;
  const known = typeof realtimeUs === "number" && Number.isSafeInteger(realtimeUs) && realtimeUs >= 0;
  return { cursor, realtimeUs: known ? realtimeUs : 0 };
}

/** The inverse of {@linkcode placeOf}. */
export function positionOf({ cursor, realtimeUs }: JournalPlace): Position {
  return { journal: { cursor, realtimeUs } };
}

/**
 * Arguments that begin at `place`, itself included. With `byTime`, for a cursor that journalctl does not take, at the
 * second of its time: what was logged in that second comes twice, and nothing is missed.
 */
export function seekArgs(place: JournalPlace | undefined, byTime: boolean): readonly string[] {
  if (place === undefined) return [];
  if (!byTime) return [`--cursor=${place.cursor}`];
  return place.realtimeUs === 0 ? [] : [`--since=@${Math.floor(place.realtimeUs / 1_000_000)}`];
}
