/** Fills in `${hostname}`, `${env:NAME}` and `${file:PATH}`; `$$` is a `$`. Pure: what they stand for is looked up by others. */

/** Where the values come from. Messages of errors must not hold the values. */
export interface Lookups {
  hostname(): string;
  /** Undefined: there is no such variable. */
  env(name: string): string | undefined;
  /** @throws when the file cannot be read */
  file(path: string): string;
}

/** A text with its values, and what was wrong with the places. `filled`: it had a place. */
export interface Filled {
  readonly text: string;
  readonly filled: boolean;
  readonly problems: readonly string[];
}

/** Fills `template` once: what comes in is not looked at again. */
export function fill(template: string, lookups: Lookups): Filled {
  const problems: string[] = [];
  let filled = false;
  const text = template.replaceAll(/\$\$|\$\{([^}]*)\}?/g, (place, inside: string | undefined) => {
    if (inside === undefined) return "$";
    filled = true;
    const result = place.endsWith("}") ? lookUp(inside, lookups) : { problem: `"${place}" has no "}"` };
    if ("value" in result) return result.value;
    problems.push(result.problem);
    return "";
  });
  return { text, filled, problems };
}

function lookUp(inside: string, lookups: Lookups): { value: string } | { problem: string } {
  if (inside === "hostname") return { value: lookups.hostname() };
  const [, kind, name] = /^(env|file):(.+)$/s.exec(inside) ?? [];
  if (kind === "env") {
    const value = lookups.env(name!);
    return value === undefined ? { problem: `the environment has no "${name}"; set it, or write a value` } : { value };
  }
  if (kind === "file") {
    try {
      return { value: lookups.file(name!) };
    } catch (error) {
      return { problem: `the file "${name}" cannot be used: ${(error as Error).message}` };
    }
  }
  return {
    problem: `"\${${inside}}" is unknown; allowed: \${hostname}, \${env:NAME}, \${file:PATH}, and $$ for a $ itself`,
  };
}
