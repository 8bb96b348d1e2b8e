/** Records that never got into the spool: counted on disk until a notice about them is in the spool itself. */
import type { SpoolFiles } from "./files.ts";
import { countOf } from "./reader.ts";
import { SlotFile } from "./slot_file.ts";

/** `full`: no room when they came. `long`: longer than half of the spool. `hand`: `agent spool drop`. */
export type DropReason = "full" | "long" | "hand";

const texts: Readonly<Record<DropReason, string>> = {
  full: "not taken by the spool, which was full",
  long: "not taken by the spool, longer than half of it",
  hand: "dropped from the spool by hand",
};

/** All reasons. */
export const dropReasons: readonly DropReason[] = ["full", "long", "hand"];

/** The file that keeps the count of one reason. */
export function dropFileName(reason: DropReason): string {
  return `drops.${reason}`;
}

/** The counts of a folder. A power cut may take the last second of them. */
export class Drops {
  readonly slots: readonly SlotFile[];
  readonly #byReason: Readonly<Record<DropReason, SlotFile>>;
  /** Records dropped since the start, by reason. */
  readonly counted: Record<DropReason, number> = { full: 0, long: 0, hand: 0 };

  constructor(files: SpoolFiles, instance: string, onTrouble: (error: unknown) => void) {
    const open = (reason: DropReason): SlotFile => new SlotFile(files, dropFileName(reason), instance, 0, onTrouble);
    this.#byReason = { full: open("full"), long: open("long"), hand: open("hand") };
    this.slots = Object.values(this.#byReason);
  }

  /** Counts records that nobody will get. */
  add(reason: DropReason, records: number): void {
    this.counted[reason] += records;
    this.#byReason[reason].set(this.#byReason[reason].value + records);
  }

  /** The next notice that is to be written, if any; to be `settle`d once it is. */
  pending(): { readonly reason: DropReason; readonly text: string } | undefined {
    const reason = dropReasons.find((name) => this.#byReason[name].value > 0);
    if (reason === undefined) return undefined;
    return { reason, text: `gap: ${countOf(this.#byReason[reason].value)} ${texts[reason]}` };
  }

  settle(reason: DropReason): void {
    this.#byReason[reason].set(0);
  }
}
