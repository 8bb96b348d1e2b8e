/** What analysers share: reading tables and making findings. They read redacted artifacts, so that nothing can leak. */
import type { Analyser, Finding } from "../report.ts";

/** Reads one artifact; undefined where there is none. */
export type Read = Parameters<Analyser["analyse"]>[0];

/** An analyser of one artifact. */
export function analyserOf(id: string, path: string, look: (text: string) => readonly Finding[]): Analyser {
  return {
    id,
    analyse: async (read) => {
      const text = await read(path);
      return text === undefined ? [] : look(text);
    },
  };
}

/** A finding with its evidence cut to ten lines of 300 characters. */
export function finding(parts: Finding): Finding {
  const evidence = parts.evidence.slice(0, 10).map((line) => line.length > 300 ? `${line.slice(0, 297)}...` : line);
  return { ...parts, evidence };
}

/** Rows of a table with a header as records by column; the last column takes the rest of the line. */
export function parseTable(text: string): readonly { readonly line: string; cell(name: string): string }[] {
  const [header, ...lines] = text.split("\n").filter((line) => line.trim() !== "");
  const names = header?.trim().split(/\s+/) ?? [];
  return lines.map((line) => {
    const cells = line.trim().split(/\s+/);
    const rest = cells.slice(names.length - 1).join(" ");
    return {
      line,
      cell: (name) => {
        const at = names.indexOf(name);
        return at < 0 ? "" : at === names.length - 1 ? rest : cells[at] ?? "";
      },
    };
  });
}
