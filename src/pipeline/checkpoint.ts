/** What a position is, and who keeps it. */

/** One key of a position: JSON values only. */
export type PositionValue = null | boolean | number | string | readonly PositionValue[] | {
  readonly [key: string]: PositionValue;
};

/**
 * Where a source stands: a small map, one key per thing that moves on its own (a file, a journal, a connection).
 * A batch carries the keys that it moved; `null` forgets a key.
 */
export type Position = Readonly<Record<string, PositionValue>>;

/** Keeps positions. For a network source the "checkpoint" is the acknowledgement to its peer. */
export interface Checkpoints {
  /** The merged position of `id`, or undefined where nothing was ever committed. */
  get(id: string): Promise<Position | undefined>;
  /** Merges `position` into that of `id`. Survives a crash of the process at once, of the machine within a second. */
  commit(id: string, position: Position): Promise<void> | void;
}

/** `base` with `change` merged into it; keys with null are left out. */
export function mergePosition(base: Position | undefined, change: Position): Position {
  const merged: Record<string, PositionValue> = { ...base };
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete merged[key];
    else merged[key] = value;
  }
  return merged;
}
