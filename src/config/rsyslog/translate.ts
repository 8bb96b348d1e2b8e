/**
 * Translates an rsyslog configuration that forwards logs into one of the agent. Inputs become sources, forwarding actions sinks, what
 * stands in front of them rules. What cannot be said is not passed over: it becomes a note with its file and line.
 */
import { translateInput, translateInputDirective } from "./inputs.ts";
import { type GlobalTls, translateAction, translateLegacyAction } from "./outputs.ts";
import { type Conditions, translateFilter } from "./selector.ts";
import { type ObjectStatement, parseStatements, type Statement } from "./statements.ts";
import { type Note, type Part, Translation } from "./translation.ts";

/** A file, and where it was found. */
export interface SourceText {
  readonly path: string;
  readonly text: string;
}

/** What came of it. */
export interface TranslatedConfig {
  /** Our configuration, as the file would hold it; undefined when nothing is forwarded. */
  readonly document?: Part;
  readonly notes: readonly Note[];
}

/** Translates. @param include reads what `include(…)` and `$IncludeConfig` name, in order of their names */
export function translateRsyslog(
  start: SourceText,
  include: (pattern: string) => readonly SourceText[],
): TranslatedConfig {
  const reader = new ConfigReader(include);
  reader.readFile(start);
  return reader.finish();
}

/** Sinks that get what meets one of the conditions; no conditions: everything. */
interface Delivery {
  readonly anyOf: readonly Conditions[];
  readonly sinks: readonly string[];
  /** Nothing below sees these messages; without sinks they are dropped. */
  readonly stops: boolean;
}

class ConfigReader {
  readonly #include: (pattern: string) => readonly SourceText[];
  readonly #out = new Translation();
  readonly #tls: GlobalTls = {};
  readonly #rulesets = new Map<string, readonly Statement[]>();
  readonly #deliveries: Delivery[] = [];
  #local = 0;

  constructor(include: (pattern: string) => readonly SourceText[]) {
    this.#include = include;
  }

  readFile({ path, text }: SourceText): void {
    const outer = this.#out.file;
    this.#out.file = path;
    const statements = parseStatements(text);
    for (const statement of statements) if (isRuleset(statement)) this.#addRuleset(statement);
    for (const statement of statements) this.#read(statement);
    this.#out.file = outer;
  }

  finish(): TranslatedConfig {
    const { notes, sinks } = this.#out;
    if (this.#local > 0) {
      const those = this.#local === 1 ? "1 action that writes" : `${this.#local} actions that write`;
      notes.push({ where: "all files", text: `${those} on this machine: not translated; rsyslog may go on with them` });
    }
    if (Object.keys(sinks).length === 0) return { notes };
    if (Object.keys(this.#out.sources).length === 0) {
      this.#out.source("journal", { type: "journal" });
      notes.push({ where: "all files", text: "no input is named; the journal is read" });
    }
    this.#makeRules();
    return { document: this.#document(), notes };
  }

  #read(statement: Statement): void {
    switch (statement.kind) {
      case "include":
        for (const file of this.#include(statement.pattern)) this.readFile(file);
        return;
      case "directive":
        return this.#directive(statement.name, statement.value, statement.line);
      case "object":
        return this.#object(statement, statement.line);
      case "filter":
        return this.#filter(statement);
      default:
        this.#deliver([{}], [statement]);
    }
  }

  #object(statement: ObjectStatement, line: number): void {
    if (statement.word === "ruleset") return;
    if (statement.word === "action") return this.#deliver([{}], [{ ...statement, line }]);
    if (statement.word === "global") return this.#global(statement);
    if (statement.word === "template") {
      this.#gardenerNames(statement);
      return; // said where an action uses one that is not known
    }
    if (statement.word === "module" || statement.word === "input") {
      if (translateInput(statement, line, this.#out)) return;
      const name = (statement.parameters.get("load") ?? statement.parameters.get("type") ?? ["?"])[0];
      return this.#out.note(line, `${statement.word} ${name} has no counterpart and is left out`);
    }
    if (statement.word === "main_queue") return this.#out.note(line, "main_queue: see the key spool");
    this.#out.note(line, `${statement.word}(…) has no counterpart and is left out`);
  }

  /** Gardener's template holds project, shoot and uid as constants; our template `gardener` takes them from the metadata. */
  #gardenerNames({ parameters, body }: ObjectStatement): void {
    if (parameters.get("name")?.[0]?.toLowerCase() !== "syslogforwardertemplate") return;
    const constants = body.flatMap((one) =>
      one.kind === "object" && one.word === "constant" ? [one.parameters.get("value")?.[0]?.trim() ?? ""] : []
    ).filter((value) => value !== "");
    const [project, shoot, uid, other] = constants;
    if (uid !== undefined && other === undefined) this.#out.metadata = { project, shoot, uid };
  }

  #global({ parameters }: ObjectStatement): void {
    const first = (name: string): string | undefined => parameters.get(name.toLowerCase())?.[0];
    this.#setTls("ca", first("defaultNetstreamDriverCAFile"));
    this.#setTls("cert", first("defaultNetstreamDriverCertFile"));
    this.#setTls("key", first("defaultNetstreamDriverKeyFile"));
  }

  #directive(name: string, value: string, line: number): void {
    const tlsKey = tlsDirectives[name];
    if (tlsKey !== undefined) return this.#setTls(tlsKey, value);
    if (silentDirectives.test(name)) return;
    if (!translateInputDirective(name, value, line, this.#out)) {
      this.#out.note(line, `$${name} is not translated`);
    }
  }

  #setTls(key: keyof GlobalTls, value: string | undefined): void {
    if (value !== undefined) this.#tls[key] = value;
  }

  #filter(statement: Statement & { kind: "filter" }): void {
    const leadsOut = statement.body.some((one) => this.#leadsOut(one));
    if (!leadsOut) return this.#deliver([], statement.body); // only local files and stop: for these we say no more
    const translated = translateFilter(statement.filter);
    if (translated === undefined) {
      this.#out.note(statement.line, `the condition "${statement.filter.text}" is not translated: everything is taken`);
      return this.#deliver([{}], statement.body);
    }
    for (const note of translated.notes) this.#out.note(statement.line, note);
    this.#deliver(translated.anyOf, statement.body);
  }

  /** Whether a statement forwards, or keeps messages from what forwards them. */
  #leadsOut(statement: Statement): boolean {
    if (statement.kind === "stop") return true;
    if (statement.kind === "legacyAction") return /^(@|:omrelp:)/.test(statement.text);
    if (statement.kind === "call") {
      return (this.#rulesets.get(statement.ruleset) ?? []).some((one) => this.#leadsOut(one));
    }
    if (statement.kind === "filter") return statement.body.some((one) => this.#leadsOut(one));
    return statement.kind === "object" && statement.word === "action" &&
      ["omrelp", "omfwd"].includes(statement.parameters.get("type")?.[0] ?? "");
  }

  #deliver(anyOf: readonly Conditions[], body: readonly Statement[]): void {
    const sinks: string[] = [];
    let stops = false;
    let local = false;
    for (const one of this.#flat(body)) {
      if (one.kind === "stop") stops = true;
      else if (one.kind === "object" && one.word === "action") {
        local = this.#act(translateAction(one, one.line, this.#tls, this.#out), one.line, sinks) || local;
      } else if (one.kind === "legacyAction") {
        local = this.#act(translateLegacyAction(one.text, one.line, this.#tls, this.#out), one.line, sinks) || local;
      } else if (one.kind === "filter") {
        this.#out.note(one.line, `a condition inside of another is not translated: "${one.filter.text}"`);
        sinks.push(...this.#flat(one.body).flatMap((inner) => this.#sinksOf(inner)));
      } else if (one.kind === "unknown") this.#out.note(one.line, `"${one.text}" is not understood`);
    }
    // `stop` after a local file keeps messages from the forwards below: they are dropped here.
    if (sinks.length > 0 || stops) this.#deliveries.push({ anyOf, sinks, stops });
  }

  /** Calls replaced by what they call. */
  #flat(body: readonly Statement[], depth = 0): readonly Statement[] {
    if (depth > 8) return [];
    return body.flatMap((one) =>
      one.kind === "call" ? this.#flat(this.#rulesets.get(one.ruleset) ?? [], depth + 1) : [one]
    );
  }

  #sinksOf(statement: Statement): readonly string[] {
    const result = statement.kind === "legacyAction"
      ? translateLegacyAction(statement.text, statement.line, this.#tls, this.#out)
      : statement.kind === "object" && statement.word === "action"
      ? translateAction(statement, statement.line, this.#tls, this.#out)
      : "local";
    return typeof result === "string" ? [] : [result.sink];
  }

  #act(result: ReturnType<typeof translateAction>, line: number, sinks: string[]): boolean {
    if (result === "unknown") this.#out.note(line, "this action has no counterpart and is left out");
    else if (result === "local") this.#local++;
    else sinks.push(result.sink);
    return result === "local";
  }

  #addRuleset(statement: Statement & ObjectStatement): void {
    this.#rulesets.set(statement.parameters.get("name")?.[0] ?? "", statement.body);
  }

  /** One rule per set of conditions. Where everything goes to every sink there is nothing to say. */
  #makeRules(): void {
    const { rules, sinks, notes } = this.#out;
    const all = Object.keys(sinks);
    const deliveries = this.#deliveries;
    const isAlways = ({ anyOf }: Delivery): boolean => anyOf.some((one) => Object.keys(one).length === 0);
    /** Sinks that get everything which comes by them: for those of delivery `i` also later ones, unless it stops. */
    const always = (i: number): readonly string[] =>
      deliveries.filter((one, k) => isAlways(one) && (k <= i || deliveries[i]?.stops !== true)).flatMap((one) =>
        one.sinks
      );
    const everywhere = new Set(always(-1));
    if (all.every((sink) => everywhere.has(sink)) && !deliveries.some(({ stops }) => stops)) return;
    deliveries.forEach(({ anyOf, sinks: chosen }, i) => {
      const route = [...new Set([...chosen, ...always(i)])];
      for (const conditions of anyOf) rules.push(ruleOf(conditions, route, all));
    });
    const routes = new Set(deliveries.map((one) => one.sinks.join()).filter((sinks) => sinks !== ""));
    if (routes.size > 1) {
      notes.push({
        where: "all files",
        text:
          "the first rule that matches decides; a message that several of rsyslog's filters match goes to the first one's sinks",
      });
    }
  }

  #document(): Part {
    const { sources, rules, sinks, spoolBytes, metadata } = this.#out;
    return {
      ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
      sources,
      ...(rules.length === 0 ? {} : { rules }),
      sinks,
      ...(spoolBytes === undefined
        ? {}
        : { spool: { maxSize: `${Math.max(1, Math.round(spoolBytes / 1024 ** 2))}MiB` } }),
    };
  }
}

function ruleOf(conditions: Conditions, sinks: readonly string[], all: readonly string[]): Part {
  if (sinks.length === 0) return { ...conditions, action: "drop" };
  return { ...conditions, ...(all.every((sink) => sinks.includes(sink)) ? {} : { route: sinks }) };
}

function isRuleset(statement: Statement): statement is Statement & ObjectStatement {
  return statement.kind === "object" && statement.word === "ruleset";
}

const tlsDirectives: Readonly<Record<string, keyof GlobalTls>> = {
  defaultnetstreamdrivercafile: "ca",
  defaultnetstreamdrivercertfile: "cert",
  defaultnetstreamdriverkeyfile: "key",
  actionsendstreamdrivermode: "mode",
  actionsendstreamdriverauthmode: "authMode",
  actionsendstreamdriverpermittedpeer: "permittedPeer",
};

/** About local files, permissions and queues that the agent does not have. */
const silentDirectives =
  /^(file(owner|group|createmode)|dir(owner|group|createmode)|umask|priv(drop)?|workdirectory|actionfiledefaulttemplate|repeatedmsgreduction|defaultnetstreamdriver$|abortonuncleanconfig|preservefqdn|klog|omitlocallogging|systemlog)/;
