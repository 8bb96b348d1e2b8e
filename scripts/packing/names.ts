/**
 * Names of chunks that depend on what is in them and on nothing else. The bundler's own depend on where the project lies beside
 * Deno's cache of packages, so that two folders give the same program under different names, and not the same file.
 */
import { sha256Hex } from "./runtime.ts";

/** A chunk's name as the bundler gives it: `ship-Z2MYSV4M.js`. `main.js` has no such end and keeps its name. */
const bundled = /^(.+)-[A-Z0-9]{8}\.js$/;
const mentioned = /([A-Za-z0-9_.]+)-[A-Z0-9]{8}\.js/g;

/**
 * New names for `chunks` (name → text), and the texts with them inside; `main.js` keeps its own. Chunks may import each other in
 * a circle, so a name is found in rounds: each is the hash of a text in which the last round's names stand.
 * @throws when two chunks cannot be told apart, which would be one chunk that is there twice
 */
export function withStableNames(chunks: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  let names = new Map([...chunks.keys()].map((name) => [name, renamed(name, "00000000")]));
  let kinds = 0;
  for (let found = 1; found > kinds;) { // a round that tells no more chunks apart is the last that could
    kinds = found;
    names = nextNames(chunks, names);
    found = new Set(names.values()).size;
  }
  if (new Set(names.values()).size !== chunks.size) {
    throw new Error("Cannot name the chunks: two of them are the same\nTry: look at what deno bundle wrote");
  }
  return new Map([...chunks].map(([name, text]) => [names.get(name)!, withNames(text, names)]));
}

function nextNames(chunks: ReadonlyMap<string, string>, names: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...chunks].map(([name, text]) => {
    // The first part of the own name is hashed along: texts may be alike where names are not.
    const sum = sha256Hex(new TextEncoder().encode(`${renamed(name, "")}\n${withNames(text, names)}`));
    return [name, renamed(name, sum.slice(0, 8).toUpperCase())];
  }));
}

function renamed(name: string, end: string): string {
  const base = bundled.exec(name)?.[1];
  return base === undefined ? name : `${base}-${end}.js`;
}

/** Only names of chunks are replaced: whatever else looks like one stays. */
function withNames(text: string, names: ReadonlyMap<string, string>): string {
  return text.replaceAll(mentioned, (name) => names.get(name) ?? name);
}

/**
 * The texts of `chunks` (name → text) with the names in `import()` hidden from the runtime, which reads and parses at its start
 * every module that a text names, wanted or not: for the whole program that takes 40 MiB more at the first start, and
 * does not end on a machine of 96 MiB. What `import` without brackets names is needed at once and stays.
 * @throws when a chunk asks for one that is not there: nothing else would tell before somebody meets it
 */
export function withLateImports(chunks: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...chunks].map(([name, text]) => [
    name,
    text.replaceAll(lateImport, (_, asked: string) => {
      if (!chunks.has(asked)) {
        throw new Error(`Cannot pack chunk "${name}": it asks for "${asked}", which is not there`);
      }
      return `import(String("./${asked}"))`;
    }),
  ]));
}

const lateImport = /\bimport\(\s*["'`]\.\/([^"'`$]+\.js)["'`]\s*\)/g;
