/** What benches print: the machine, tables in Markdown, figures. */
import { agentCommand } from "../peers/agent.ts";
import { runProgram } from "../peers/process.ts";

/** Rows as a table in Markdown. */
export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
  return line(head) + line(head.map(() => "---")) + rows.map(line).join("");
}

/** Writes to stdout, all of it. */
export function say(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
}

/** Date, processor, load and versions on one line. */
export async function machineLine(): Promise<string> {
  const model = /model name\s*: (.*)/.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? "unknown";
  const rsyslog = (await runProgram("rsyslogd", ["-v"])).stdout.split(/\s+/).slice(0, 2).join(" ");
  const { command, args } = agentCommand(["version"]);
  const agent = (await runProgram(command, args)).stdout.trim();
  return `${new Date().toISOString().slice(0, 16)}Z, ${navigator.hardwareConcurrency} × ${model}, ` +
    `load ${Deno.loadavg()[0]!.toFixed(2)}, Linux ${Deno.osRelease()}; ${agent}, ${rsyslog}`;
}

/** The words `--name value` of a bench; unknown ones are refused. */
export function numbersOf<K extends string>(words: readonly string[], defaults: Record<K, number>): Record<K, number> {
  const numbers = { ...defaults };
  for (let i = 0; i < words.length; i += 2) {
    const name = words[i]!.replace(/^--/, "") as K;
    const value = Number(words[i + 1]);
    if (!(name in defaults) || !(value > 0)) {
      throw new Error(`unknown: ${words[i]} ${words[i + 1] ?? ""}\nTry: --${Object.keys(defaults).join(" N, --")} N`);
    }
    numbers[name] = value;
  }
  return numbers;
}

/** Takes words of the form `--name text` out of a bench's words: the text, else `otherwise`, and the words that are left. */
export function takeText(
  words: readonly string[],
  name: string,
  otherwise: string,
): { readonly text: string; readonly rest: readonly string[] } {
  const at = words.indexOf(`--${name}`);
  if (at < 0) return { text: otherwise, rest: words };
  return { text: words[at + 1] ?? "", rest: words.toSpliced(at, 2) };
}

/** The middle of one figure of all turns; of an even number, the mean of the two in the middle. */
export function medianOf<T>(turns: readonly T[], figure: (turn: T) => number): number {
  const sorted = turns.map(figure).sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}

/** The value below which `part` (0..1) of the sorted numbers lie. */
export function quantile(sorted: Float64Array, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? NaN;
}
