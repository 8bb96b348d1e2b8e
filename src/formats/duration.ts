/** Durations and sizes as people write them: a number with its unit, `90s`, `1h30m`, `64MiB`. */

const durationUnitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const sizeUnitsBytes: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

/** Milliseconds of `90s`, `1h30m`, `250ms`. @throws with what is allowed when the text has no unit or an unknown one */
export function parseDurationMs(text: string): number {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) {
    throw new Error(`"${text}" is not a duration; write a number with its unit (ms, s, m, h, d), for example 90s`);
  }
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    sum += Number(number) * durationUnitsMs[unit!]!;
  }
  return sum;
}

/** Bytes of `64MiB`, `10KB`, `512B`. @throws with what is allowed when the text has no unit or an unknown one */
export function parseSizeBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(B|KB|MB|GB|KiB|MiB|GiB)$/.exec(text);
  if (match === null) {
    throw new Error(`"${text}" is not a size; write a number with its unit (B, KiB, MiB, GiB), for example 64MiB`);
  }
  return Math.floor(Number(match[1]) * sizeUnitsBytes[match[2]!]!);
}

/** A duration for people: two units at the most, `1h 5m`, `12.5s`, `340ms`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1_000) return `${Math.round(durationMs)}ms`;
  if (durationMs < 60_000) return `${Number((durationMs / 1_000).toFixed(1))}s`;
  const minutes = Math.floor(durationMs / 60_000);
  if (minutes < 60) return `${minutes}m ${Math.floor((durationMs % 60_000) / 1_000)}s`;
  if (minutes < 1_440) return `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
  return `${Math.floor(minutes / 1_440)}d ${Math.floor((minutes % 1_440) / 60)}h`;
}

/** A size for people: `1.5MiB`, `12B`. */
export function formatSize(bytes: number): string {
  const unit = (["GiB", "MiB", "KiB"] as const).find((name) => bytes >= sizeUnitsBytes[name]!);
  return unit === undefined ? `${bytes}B` : `${Number((bytes / sizeUnitsBytes[unit]!).toFixed(1))}${unit}`;
}
