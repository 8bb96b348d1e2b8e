/**
 * Which complaints of `deno doc --lint` count: an undocumented export, and an export that shows a local type which is not
 * exported. It also complains of members whose names say all, of types of npm packages that it cannot see, and of types
 * that a schema infers; those do not count.
 */

/** One complaint that counts: `src/x.ts:12: …`. `lineOf` gives the text of a line of a file, `declares` whether it has a type. */
export interface DocSources {
  /** Line `line` (from 1) of the file at `path`. */
  lineOf(path: string, line: number): string;
  /** Whether the file at `path` declares the type `name` itself. */
  declares(path: string, name: string): boolean;
}

/** The complaints in `output` that count, in its order. */
export function docComplaints(output: string, sources: DocSources): readonly string[] {
  return output.split(/^(?=error\[)/m).flatMap((block) => {
    const head = /^error\[([a-z-]+)\]: (.*)/.exec(block);
    const place = /^\s*--> (.+):(\d+):\d+$/m.exec(block);
    if (head === null || place === null) return [];
    const [, rule, message] = head;
    const [, path, line] = place;
    return counts(rule!, message!, path!, Number(line), sources) ? [`${path}:${line}: ${message}`] : [];
  });
}

function counts(rule: string, message: string, path: string, line: number, sources: DocSources): boolean {
  if (rule === "missing-jsdoc") return /^export\b/.test(sources.lineOf(path, line));
  const type = rule === "private-type-ref" ? / private type '([^']+)'/.exec(message)?.[1] : undefined;
  return type !== undefined && sources.declares(path, type);
}
