/**
 * Reads rsyslog's configuration language as far as forwarding configurations use it: RainerScript objects, blocks, `if`, and the older
 * selectors and `$` directives. What is not understood becomes a statement that says so, never an error.
 */

/** One statement, with the line that it begins at. */
export type Statement =
  & { readonly line: number }
  & (
    | ObjectStatement
    | { readonly kind: "directive"; readonly name: string; readonly value: string }
    | { readonly kind: "filter"; readonly filter: Filter; readonly body: readonly Statement[] }
    | { readonly kind: "call"; readonly ruleset: string }
    | { readonly kind: "legacyAction"; readonly text: string }
    | { readonly kind: "stop" }
    | { readonly kind: "include"; readonly pattern: string }
    | { readonly kind: "unknown"; readonly text: string }
  );

/** `module(…)`, `input(…)`, `action(…)`, `ruleset(…) {…}` … Names of parameters in lower case. */
export interface ObjectStatement {
  readonly kind: "object";
  readonly word: string;
  readonly parameters: ReadonlyMap<string, readonly string[]>;
  readonly body: readonly Statement[];
}

/** What decides whether the statements below it see a message. */
export type Filter =
  | { readonly kind: "selector"; readonly text: string }
  | { readonly kind: "property"; readonly text: string }
  | { readonly kind: "expression"; readonly text: string }
  | { readonly kind: "otherwise"; readonly text: string };

/** Reads a whole file. */
export function parseStatements(text: string): readonly Statement[] {
  return new Reader(text).block(false);
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Statements until the end, or until the brace that closes the block. */
  block(inBraces: boolean): readonly Statement[] {
    const statements: Statement[] = [];
    for (;;) {
      this.#skipBlanks();
      if (this.#at >= this.#text.length) return statements;
      if (inBraces && this.#take("}")) return statements;
      statements.push(this.#statement());
    }
  }

  #statement(): Statement {
    const line = this.#line();
    const word = /^[A-Za-z_]+/.exec(this.#rest())?.[0] ?? "";
    if (/^[A-Za-z_]+\s*\(/.test(this.#rest()) && objectWords.has(word.toLowerCase())) return this.#object(line);
    if (word === "if") return this.#if(line);
    if (word === "else") return this.#else(line);
    if (this.#rest().startsWith("$")) return { line, ...directiveOf(this.#lineText()) };
    if (/^stop\b/.test(this.#rest()) || this.#rest().startsWith("~")) return this.#word(line, { kind: "stop" });
    const call = /^call\s+(\S+)/.exec(this.#rest());
    if (call !== null) {
      this.#at += call[0].length;
      return { line, kind: "call", ruleset: call[1]! };
    }
    return this.#selectorLine(line);
  }

  #object(line: number): Statement {
    const word = /^[A-Za-z_]+/.exec(this.#rest())![0].toLowerCase();
    this.#at += word.length;
    const parameters = this.#parameters();
    this.#skipBlanks();
    const body = objectsWithBody.has(word) && this.#take("{") ? this.block(true) : [];
    if (word === "include") {
      return { line, kind: "include", pattern: (parameters.get("file") ?? parameters.get("text") ?? [""])[0]! };
    }
    return { line, kind: "object", word, parameters, body };
  }

  #parameters(): ReadonlyMap<string, readonly string[]> {
    const parameters = new Map<string, readonly string[]>();
    this.#skipBlanks();
    this.#take("(");
    for (;;) {
      this.#skipBlanks();
      if (this.#at >= this.#text.length || this.#take(")")) return parameters;
      const name = /^([A-Za-z_][\w.-]*)\s*=\s*/.exec(this.#rest());
      if (name === null) {
        this.#at++; // a stray comma or brace
        continue;
      }
      this.#at += name[0].length;
      parameters.set(name[1]!.toLowerCase(), this.#value());
    }
  }

  #value(): readonly string[] {
    if (!this.#take("[")) return [this.#scalar()];
    const values: string[] = [];
    for (;;) {
      this.#skipBlanks();
      if (this.#at >= this.#text.length || this.#take("]")) return values;
      if (!this.#take(",")) values.push(this.#scalar());
    }
  }

  #scalar(): string {
    const quoted = /^"((?:[^"\\]|\\[\s\S])*)"|^'((?:[^'\\]|\\[\s\S])*)'/.exec(this.#rest());
    if (quoted !== null) {
      this.#at += quoted[0].length;
      return unescape(quoted[1] ?? quoted[2]!);
    }
    const bare = /^[^\s,)\]]+/.exec(this.#rest())?.[0] ?? this.#text[this.#at] ?? "";
    this.#at += bare.length;
    return bare;
  }

  #if(line: number): Statement {
    this.#at += "if".length;
    const condition = this.#until(/\bthen\b/);
    return { line, kind: "filter", filter: { kind: "expression", text: condition }, body: this.#body() };
  }

  #else(line: number): Statement {
    this.#at += "else".length;
    return { line, kind: "filter", filter: { kind: "otherwise", text: "else" }, body: this.#body() };
  }

  #body(): readonly Statement[] {
    this.#skipBlanks();
    if (this.#take("{")) return this.block(true);
    return [this.#action()];
  }

  /** `*.info;mail.none  ACTION`, `:msg, contains, "x"  ACTION`, each with `& ACTION` lines below. */
  #selectorLine(line: number): Statement {
    const property = /^:[a-z$!.\-A-Z]+\s*,\s*!?\w+\s*,\s*"(?:[^"\\]|\\.)*"/.exec(this.#rest())?.[0];
    const selector = property ?? /^[\w*,;.=!|-]+\.[\w*,;.=!|-]+(?=\s)/.exec(this.#rest())?.[0];
    if (selector === undefined) {
      if (/^[-/@|:^?~]/.test(this.#rest())) return this.#action();
      return { line, kind: "unknown", text: this.#lineText() };
    }
    this.#at += selector.length;
    const body = [...this.#body()];
    for (;;) {
      const next = /^\s*&\s*/.exec(this.#rest());
      if (next === null) break;
      this.#at += next[0].length;
      body.push(this.#action());
    }
    return {
      line,
      kind: "filter",
      filter: { kind: property === undefined ? "selector" : "property", text: selector },
      body,
    };
  }

  /** A statement where an action is wanted: an object, `stop`, or one in the old form. */
  #action(): Statement {
    this.#skipBlanks();
    const line = this.#line();
    if (/^([A-Za-z_]+\s*\(|stop\b|~|call\s|if\b)/.test(this.#rest())) return this.#statement();
    return { line, kind: "legacyAction", text: this.#lineText() };
  }

  #word(line: number, statement: { readonly kind: "stop" }): Statement {
    this.#at += /^(stop\b|~)/.exec(this.#rest())![0].length;
    return { line, ...statement };
  }

  #until(end: RegExp): string {
    const found = end.exec(this.#rest());
    const length = found?.index ?? this.#rest().length;
    const text = this.#rest().slice(0, length).replace(/\s+/g, " ").trim();
    this.#at += length + (found?.[0].length ?? 0);
    return text;
  }

  #lineText(): string {
    const text = /^[^\n]*/.exec(this.#rest())![0];
    this.#at += text.length;
    return text.replace(/\s+#.*$/, "").trim();
  }

  #skipBlanks(): void {
    this.#at += /^(\s+|#[^\n]*|\/\*[\s\S]*?\*\/)*/.exec(this.#rest())![0].length;
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #rest(): string {
    return this.#text.slice(this.#at);
  }

  #line(): number {
    let line = 1;
    for (let at = this.#text.indexOf("\n"); at >= 0 && at < this.#at; at = this.#text.indexOf("\n", at + 1)) line++;
    return line;
  }
}

function directiveOf(text: string): { kind: "directive"; name: string; value: string } | {
  kind: "include";
  pattern: string;
} {
  const [, name, value] = /^\$(\S+)\s*(.*)$/.exec(text) ?? ["", text, ""];
  if (name!.toLowerCase() === "includeconfig") return { kind: "include", pattern: value! };
  return { kind: "directive", name: name!.toLowerCase(), value: value!.replace(/^"(.*)"$/, "$1") };
}

function unescape(text: string): string {
  return text.replace(/\\(x[0-9a-fA-F]{2}|[\s\S])/g, (_, escaped: string) => {
    if (escaped.startsWith("x")) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return { n: "\n", t: "\t", r: "\r" }[escaped] ?? escaped;
  });
}

const objectWords: ReadonlySet<string> = new Set([
  ...["module", "input", "action", "ruleset", "template", "global", "main_queue", "include", "lookup_table"],
  ...["parser", "property", "constant", "timezone", "dyn_stats", "ratelimit"],
]);
const objectsWithBody: ReadonlySet<string> = new Set(["ruleset", "template"]);
