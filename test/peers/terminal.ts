/** A terminal for programs that look for one: script(1) makes it, and what was written to it is shown as a person sees it. */

/** Rows and columns; 0 is a terminal that does not know. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** Words for `script -qec`, which gives the command a terminal. That has no size by itself, as a serial console has none. */
export function onTerminal(words: readonly string[], size: TerminalSize = usual): string {
  const command = words.map((word) => /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
  return `stty rows ${size.rows} cols ${size.columns}; exec ${command.join(" ")}`;
}

/** What stands on the screen after `written`, line by line, without spaces at their ends: ECMA-48 as far as bars need it. */
export function screenOf(written: string): readonly string[] {
  const lines: string[][] = [[]];
  let [row, column] = [0, 0];
  const line = (): string[] => lines[row] ??= [];
  // deno-lint-ignore no-control-regex -- these are control sequences
  for (const [token, count, command] of written.matchAll(/\x1b\[\??([\d;]*)([A-Za-z])|[^]/gu)) {
    const n = Math.max(1, Number(count || 1));
    if (command === undefined) {
      if (token === "\r") column = 0;
      else if (token === "\n") row++;
      else line()[column++] = token;
    } else if (command === "A") row = Math.max(0, row - n);
    else if (command === "B") row += n;
    else if (command === "G") column = n - 1;
    else if (command === "K") lines[row] = count === "2" ? [] : line().slice(0, column);
    else if (command === "J") {
      lines[row] = line().slice(0, column);
      lines.length = row + 1;
    } else if (!"hlm".includes(command)) throw new Error(`a sequence that this screen does not know: ${command}`);
  }
  return Array.from(lines, (cells) => Array.from(cells ?? [], (cell) => cell ?? " ").join("").trimEnd());
}

const usual = { rows: 24, columns: 80 };
