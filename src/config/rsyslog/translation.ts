/** What comes out of a translation while it is made: parts of our configuration, and what could not be said in it. */

/** Keys of a source, a sink, a rule, as they are written. */
export type Part = Readonly<Record<string, unknown>>;

/** Something that was not, or not wholly, translated. */
export interface Note {
  /** `FILE:LINE`. */
  readonly where: string;
  readonly text: string;
}

/** Collects the parts; names are made unique. */
export class Translation {
  readonly sources: Record<string, Part> = {};
  readonly sinks: Record<string, Part> = {};
  readonly rules: Part[] = [];
  readonly notes: Note[] = [];
  /** Names of the cluster that Gardener's template writes into every record. */
  metadata: Part = {};
  /** Largest disk space of a queue, bytes. */
  spoolBytes: number | undefined;
  /** File that is being read. */
  file = "";

  source(name: string, part: Part): string {
    return add(this.sources, name, part);
  }

  /** The name of an equal sink, or of the new one. */
  sink(name: string, part: Part): string {
    return add(this.sinks, name, part);
  }

  note(line: number, text: string): void {
    this.notes.push({ where: `${this.file}:${line}`, text });
  }
}

function add(group: Record<string, Part>, wanted: string, part: Part): string {
  const text = JSON.stringify(part);
  const same = Object.keys(group).find((name) => JSON.stringify(group[name]) === text);
  if (same !== undefined) return same;
  const plain = wanted.replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "");
  const base = /^[A-Za-z]/.test(plain) ? plain : `host-${plain}`;
  let name = base;
  for (let i = 2; Object.hasOwn(group, name); i++) name = `${base}-${i}`;
  group[name] = part;
  return name;
}
