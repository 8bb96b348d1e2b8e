/** A YAML document with its places: what is written, on which line, and what was filled in. Pure. */
import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  visit,
  type YAMLError,
} from "yaml";
import { fill, type Lookups } from "./fill.ts";

/** A mistake at a place; `key` is empty where the document itself is wrong. */
export interface Problem {
  readonly line: number;
  readonly key: string;
  readonly text: string;
}

/** A path of keys and indices. */
export type Path = readonly PropertyKey[];

/** A document that could be read. */
export interface YamlText {
  /** As plain values; numbers and texts as YAML 1.2 tells them apart. */
  readonly data: unknown;
  readonly problems: readonly Problem[];
  /** Line, from 1, of the key or entry at `path`; of the nearest thing around it where there is none. */
  lineOf(path: Path): number;
  /** Whether something was filled in at `path`. Such a value must not be repeated in messages. */
  isFilled(path: Path): boolean;
}

/** Reads `source`. Syntax errors leave `data` undefined; duplicate keys do not. */
export function readYaml(source: string, lookups: Lookups): YamlText {
  const tooDeep = lineTooDeep(source);
  if (tooDeep !== undefined) return unread({ line: tooDeep, key: "", text: "is nested too deeply" });
  const counter = new LineCounter();
  const document = parseDocument(source, { lineCounter: counter, prettyErrors: false, uniqueKeys: true });
  const reader = new Reader(document, counter);
  const problems = document.errors.map((error) => reader.problemOf(error, source));
  const readable = document.errors.every(({ code }) => code === "DUPLICATE_KEY");
  if (!readable) return reader.result(undefined, problems);
  problems.push(...reader.fillIn(lookups));
  try {
    return reader.result(document.toJS({ maxAliasCount: 100 }), problems);
  } catch {
    problems.push({ line: 1, key: "", text: "its aliases (*name) grow without bound or have no anchor" });
    return reader.result(undefined, problems);
  }
}

/** `sinks.loghost.tls.permittedPeer[0]` */
export function formatPath(path: Path): string {
  return path.map((part, i) => {
    if (typeof part === "number") return `[${part}]`;
    const name = String(part);
    return /[.\s[\]]/.test(name) ? `[${JSON.stringify(name)}]` : `${i === 0 ? "" : "."}${name}`;
  }).join("");
}

class Reader {
  readonly #document: Document;
  readonly #counter: LineCounter;
  readonly #filled = new WeakSet<Node>();

  constructor(document: Document, counter: LineCounter) {
    this.#document = document;
    this.#counter = counter;
  }

  result(data: unknown, problems: readonly Problem[]): YamlText {
    return {
      data,
      problems,
      lineOf: (path) => this.#lineAt(this.#find(path).offset),
      isFilled: (path) => {
        const { node } = this.#find(path);
        return node !== undefined && this.#filled.has(node);
      },
    };
  }

  problemOf(error: YAMLError, source: string): Problem {
    const line = this.#lineAt(error.pos[0]);
    const inFlow = /[[{].*\$\{/.test(source.split("\n")[line - 1] ?? "");
    const hint = inFlow && error.code !== "DUPLICATE_KEY" ? '; inside [ ] and { } write "${…}" in quotes' : "";
    const key = error.code === "DUPLICATE_KEY" ? this.#keyAt(error.pos[0]) : "";
    return { line, key, text: (syntaxTexts[error.code] ?? "is not YAML") + hint };
  }

  /** Fills every text that is a value; the document's own hostname first, because others ask for it. */
  fillIn(lookups: Lookups): Problem[] {
    const problems: Problem[] = [];
    const own = this.#document.has("hostname") ? this.#document.get("hostname", true) : undefined;
    if (isScalar(own)) problems.push(...this.#fillScalar(own, lookups));
    const hostname = (): string => isScalar(own) && typeof own.value === "string" ? own.value : lookups.hostname();
    visit(this.#document, {
      Scalar: (position, scalar) => {
        if (position === "key" || scalar === own) return;
        problems.push(...this.#fillScalar(scalar, { ...lookups, hostname }));
      },
    });
    return problems;
  }

  #fillScalar(scalar: Scalar, lookups: Lookups): Problem[] {
    if (typeof scalar.value !== "string" || !scalar.value.includes("$")) return [];
    const { text, filled, problems } = fill(scalar.value, lookups);
    scalar.value = text;
    if (filled) this.#filled.add(scalar);
    const line = this.#lineAt(scalar.range?.[0] ?? 0);
    const key = problems.length === 0 ? "" : this.#keyAt(scalar.range?.[0] ?? 0);
    return problems.map((problem) => ({ line, key, text: problem }));
  }

  /** The path of the key, entry or value that begins at `offset`. */
  #keyAt(offset: number): string {
    let found: PropertyKey[] = [];
    visit(this.#document, (index, node, ancestors) => {
      const start = (isPair(node) ? node.key as Node : node as Node | null)?.range?.[0];
      if (start !== offset || index === "key") return undefined;
      found = pathOf([...ancestors, node as Node], index);
      return isPair(node) ? visit.BREAK : undefined;
    });
    return formatPath(found);
  }

  /** The node at `path`, and where its key begins; the last thing found where the path leads nowhere. */
  #find(path: Path): { node: Node | undefined; offset: number } {
    let node: Node | undefined = this.#resolve(this.#document.contents);
    let offset = node?.range?.[0] ?? 0;
    for (const part of path) {
      let next: unknown;
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(part));
        offset = (pair?.key as Node | undefined)?.range?.[0] ?? offset;
        next = pair?.value;
      } else if (isSeq(node)) {
        next = node.items[Number(part)];
        offset = (next as Node | undefined)?.range?.[0] ?? offset;
      }
      node = this.#resolve(next);
      if (node === undefined) return { node, offset };
    }
    return { node, offset };
  }

  #resolve(node: unknown): Node | undefined {
    if (isAlias(node)) return node.resolve(this.#document);
    return isMap(node) || isSeq(node) || isScalar(node) ? node : undefined;
  }

  #lineAt(offset: number): number {
    return Math.max(1, this.#counter.linePos(offset).line);
  }
}

/** Keys and indices that lead through `chain`, whose last node is at `index` of the one before it. */
function pathOf(chain: readonly unknown[], index: unknown): PropertyKey[] {
  const path: PropertyKey[] = [];
  chain.forEach((node, i) => {
    const parent = chain[i - 1];
    if (isPair(node)) path.push(String(isScalar(node.key) ? node.key.value : node.key));
    else if (isSeq(parent)) path.push(i === chain.length - 1 ? Number(index) : parent.items.indexOf(node));
  });
  return path;
}

function unread(problem: Problem): YamlText {
  return { data: undefined, problems: [problem], lineOf: () => problem.line, isFilled: () => false };
}

/** The first line with more open brackets or dashes than any configuration has: the parser's time grows with their square. */
function lineTooDeep(source: string): number | undefined {
  let depth = 0;
  const lines = source.split("\n");
  const line = lines.findIndex((text) => {
    for (const char of text) depth += char === "[" || char === "{" ? 1 : char === "]" || char === "}" ? -1 : 0;
    return depth > maxDepth || /^\s*(?:[-?]\s+){40}/.test(text);
  });
  return line < 0 ? undefined : line + 1;
}

const maxDepth = 100;

/** Own texts: those of the library repeat what is written, which may be a secret. */
const syntaxTexts: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: "this key is there twice; each may be given once",
  TAB_AS_INDENT: "a tab indents this line; YAML allows spaces alone",
  BAD_INDENT: "this line is indented more or less than its neighbours",
  MISSING_CHAR: "something is missing before this: a colon, comma, quote, bracket or space",
  UNEXPECTED_TOKEN: "this is not expected here; is a quote, bracket or indentation wrong?",
  BAD_SCALAR_START: "a text cannot begin with this character; write it in quotes",
  BAD_DQ_ESCAPE: 'this escape is unknown inside "…"; single quotes take every \\ as it is',
  BLOCK_AS_IMPLICIT_KEY: 'a key and value stand inside another value; is a quote missing around a text with ": "?',
  BLOCK_IN_FLOW: "this cannot stand inside [ ] or { }",
  MULTILINE_IMPLICIT_KEY: "a key must be on one line; is a colon missing?",
  MULTIPLE_DOCS: "a second document begins here (---); a configuration is one",
  BAD_ALIAS: "this alias (*name) has no anchor, or is written wrongly; write a text that begins with * in quotes",
  TAG_RESOLVE_FAILED: "this tag (!name) is unknown; write a text that begins with ! in quotes",
};
