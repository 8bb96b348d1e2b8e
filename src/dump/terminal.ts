/**
 * What a person sees and is asked while a bundle is made, opened or sent: bar and question of `npm:dax`, which is loaded
 * when the first of them is shown, and only on a terminal. Both go to stderr. A terminal without a size (a serial console)
 * gets neither: dax breaks its lines after no character there, so the question would stand unreadable.
 */
import type { ProgressBar } from "dax";
import { UsageError } from "../pipeline/errors.ts";
import { setLogWriter } from "../system/log.ts";
import { DumpStopped } from "./stopped.ts";

/** How far something is. */
export interface Bar {
  /** @param total 0 where it is not known @param doing a few words; control characters are taken out */
  show(done: number, total: number, doing: string): void;
  /** Takes it off the terminal; a later `show` brings it back. */
  hide(): void;
}

/** Whether stderr is a terminal that a bar can be drawn on. */
export function canDraw(): boolean {
  try {
    return Deno.stderr.isTerminal() && Deno.consoleSize().columns >= minColumns;
  } catch {
    return false; // not even stdin, stdout or stderr tells a size
  }
}

/** Whether somebody can be asked: keys come from stdin, the question goes to stderr. */
export function canAsk(): boolean {
  return Deno.stdin.isTerminal() && canDraw();
}

/** A bar that counts `unit`. While it is shown, lines of the log are written above it. @throws when it cannot be loaded */
export async function openBar(prefix: string, unit: "raw" | "bytes"): Promise<Bar> {
  const { default: $ } = await import("dax");
  let bar: ProgressBar | undefined;
  return {
    show: (done, total, doing) => {
      const message = cropped(doing, Deno.consoleSize().columns - prefix.length - 2);
      const length = total === 0 ? undefined : total;
      if (bar === undefined) {
        bar = $.progress({ prefix, message, ...(length === undefined ? {} : { length }) }).kind(unit);
        bar.position(done).forceRender(); // what comes next may hold the thread for longer than its timer
        setLogWriter((line) => $.log(line));
      }
      bar.position(done).length(length).message(message);
    },
    hide: () => {
      setLogWriter(undefined);
      bar?.finish();
      bar = undefined;
    },
  };
}

/**
 * Asks; Enter alone means `byDefault`.
 * @throws {DumpStopped} at Ctrl-C and when `signal` aborts; {@linkcode UsageError} where nobody can be asked
 */
export async function confirm(question: string, byDefault: boolean, signal: AbortSignal): Promise<boolean> {
  if (!canAsk()) throw new UsageError(`nobody can be asked "${question}": ${noTerminal()}`);
  const { default: $ } = await import("dax");
  const answer = await $.maybeConfirm({ message: question, default: byDefault, noClear: true, signal });
  if (answer === undefined) throw new DumpStopped();
  return answer;
}

/** Why {@linkcode canAsk} is false, for an error text. */
export function noTerminal(): string {
  const isOne = Deno.stdin.isTerminal() && Deno.stderr.isTerminal();
  return isOne ? "the terminal has no size (stty rows 24 cols 80 gives it one)" : "there is no terminal";
}

function cropped(text: string, columns: number): string {
  const shown = text.replaceAll(/\p{Cc}+/gu, " ");
  return shown.length <= columns ? shown : `${shown.slice(0, Math.max(0, columns - 1))}…`;
}

const minColumns = 20;
