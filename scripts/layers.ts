/**
 * Which part of `src/` may import which, and what only some may touch. Pure: takes the graph of `deno info --json` and texts,
 * gives the breaches. `test/layers_test.ts` and `deno task ok` run it over the project.
 */

/** One arrow of the module graph, between paths relative to the project or names like `npm:zod`, `node:fs`. */
export interface Edge {
  readonly from: string;
  readonly to: string;
  /** Only types cross it; nothing is loaded. */
  readonly typeOnly: boolean;
  /** `import()`: loaded when it is asked for. */
  readonly dynamic: boolean;
}

/** What a folder of `src/` may import from the other ones; `*` is any of them. */
interface Layer {
  readonly mayImport: readonly string[];
  readonly mayImportTypes?: readonly string[];
  readonly because: string;
}

const layers: Readonly<Record<string, Layer>> = {
  formats: {
    mayImport: [],
    mayImportTypes: ["pipeline", "rules"],
    because: "codecs are pure: bytes and text in, values out, usable and tested without an agent",
  },
  pipeline: {
    mayImport: ["formats"],
    mayImportTypes: ["rules"],
    because: "the loop knows interfaces; what is behind them is handed to it",
  },
  rules: { mayImport: ["formats", "pipeline"], because: "a rule is a pure function from batch to batch" },
  system: { mayImport: ["formats", "pipeline"], because: "the system's services serve all parts and know none" },
  tls: {
    mayImport: ["formats", "pipeline", "system"],
    because: "credentials and connections serve all parts and know none",
  },
  ...siblings("sources", "a source hands batches to whoever reads it"),
  ...siblings("sinks", "a sink takes batches from whoever sends them"),
  ...siblings("spool", "the spool is storage between a source and a sink and knows neither"),
  ...siblings("cert", "certificates are kept by the same code for every part that uses them"),
  ...siblings("dump", "a dump must work when everything else is broken"),
  ...siblings("status", "the status server shows figures that it is given"),
  ...siblings("update", "an update must work whatever else is broken"),
  ...siblings("audit_rules", "the rules of a node are files and a kernel; nothing of them is shipped"),
  ...siblings("init", "what an init system is told does not depend on what the agent does"),
  engine: {
    mayImport: [
      "formats",
      "pipeline",
      "rules",
      "system",
      "tls",
      "sources",
      "sinks",
      "spool",
      "cert",
      "status",
      "config",
    ],
    because: "the engine puts parts together; how it was asked to is the commands' business",
  },
  config: {
    mayImport: ["formats", "pipeline", "rules", "system", "tls", "sources", "sinks", "spool", "cert", "dump", "status"],
    because: "the configuration names parts; it does not run them",
  },
  commands: { mayImport: ["*"], because: "commands wire everything below them; nothing imports the command line" },
  "": { mayImport: ["commands", "config", "pipeline", "system"], because: "the table of commands only loads commands" },
};

function siblings(name: string, why: string): Readonly<Record<string, Layer>> {
  const mayImport = ["formats", "pipeline", "rules", "system", "tls"];
  return { [name]: { mayImport, because: `${why}; parts never import each other` } };
}

/** Packages that only some folders may import; a pattern of the package, the folders, and why. */
const packages: readonly (readonly [RegExp, readonly string[], string])[] = [
  [/^npm:commander@/, ["commands"], "only commands read the command line"],
  [/^npm:@logtape\//, ["system"], "the log has one door: system/log.ts"],
  [/^npm:dax@/, ["dump"], "the terminal and the shell are for dump and scripts; the hot path runs no programs"],
  [/^npm:hono@/, ["status", "cert"], "HTTP is served by the status page and the signing end"],
  [/^npm:prom-client@/, ["status"], "figures get their outer names in one place"],
  [/^npm:(@peculiar\/x509|reflect-metadata)@/, ["cert", "tls"], "certificates are read and made in two places"],
  [/^npm:(age-encryption|modern-tar)@/, ["dump"], "bundles are made and opened by dump"],
  [/^npm:zod@/, ["config", "cert", "status", "dump"], "bytes of the hot path are not checked by a schema library"],
  [/^npm:yaml@/, ["config"], "the configuration is the only YAML"],
  [/^npm:@msgpack\//, ["sources"], "only the forward protocol speaks MessagePack"],
  [/^npm:@nats-io\//, ["sinks", "sources", "tls"], "NATS is a sink and a source"],
];

const pure = ["formats", "pipeline", "rules"];
const impureModules =
  /^node:(fs|fs\/promises|net|tls|http|http2|https|dgram|dns|child_process|process|os|worker_threads|cluster|readline|tty)$/;

/** Texts that only some files may hold. */
const texts: readonly { pattern: RegExp; allowed(path: string): boolean; because: string }[] = [
  {
    pattern: /\b(Deno\.exit|process\.exit)\b/,
    allowed: (path) => path === "main.ts",
    because: "only main.ts ends the process; others return or throw",
  },
  {
    pattern: /\b(addSignalListener|process\.on\()/,
    allowed: (path) => path === "main.ts",
    because: "only main.ts listens for signals; others get an AbortSignal",
  },
  {
    pattern: /\bDeno\.|\bfetch\(|\bnew (WebSocket|Worker|EventSource)\b/,
    allowed: (path) => !pure.includes(folderOf(path)),
    because: "formats, pipeline and rules touch nothing outside: no Deno, no files, no sockets",
  },
];

/** Commands that stay light, and the packages that they may load before anybody asks for more: `ship` runs for years. */
const light: Readonly<Record<string, RegExp>> = {
  "src/commands/collect.ts": /^npm:(commander|@logtape\/logtape)@/,
  "src/commands/ship.ts": /^npm:(commander|@logtape\/logtape)@/,
  "src/commands/tap.ts": /^npm:(commander|@logtape\/logtape)@/,
  "src/commands/version.ts": /^npm:(commander|@logtape\/logtape)@/,
};

/** All breaches of the table by `edges`, one line each, with the reason. */
export function breachesOfGraph(edges: readonly Edge[]): readonly string[] {
  return [
    ...edges.flatMap(breachOfEdge),
    ...Object.entries(light).flatMap(([path, may]) => heavyLoads(edges, path, may)),
  ];
}

/** All breaches in the text of one file; comments and strings do not count. */
export function breachesOfText(path: string, text: string): readonly string[] {
  const code = withoutComments(text);
  return texts.flatMap(({ pattern, allowed, because }) => {
    const found = pattern.exec(code);
    return found === null || allowed(path) ? [] : [`${path} uses ${found[0]}: ${because}`];
  });
}

/** The arrows in the answer of `deno info --json`; `root` is the project's folder as a URL that ends with a slash. */
export function edgesOf(info: ModuleGraph, root: string): readonly Edge[] {
  const nameOf = (specifier: string): string => specifier.startsWith(root) ? specifier.slice(root.length) : specifier;
  return info.modules.flatMap((module) =>
    (module.dependencies ?? []).flatMap((dependency) => {
      const target = dependency.code?.specifier ?? dependency.type?.specifier;
      if (target === undefined) return [];
      return [{
        from: nameOf(module.specifier),
        to: nameOf(target),
        typeOnly: dependency.code === undefined,
        dynamic: dependency.isDynamic === true,
      }];
    })
  );
}

/** The part of `deno info --json` that is used. */
export interface ModuleGraph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly code?: { readonly specifier?: string };
      readonly type?: { readonly specifier?: string };
      readonly isDynamic?: boolean;
    }[];
  }[];
}

function breachOfEdge(edge: Edge): readonly string[] {
  if (edge.from === "main.ts") {
    const isBelow = edge.to === "src/cli.ts" || edge.to.startsWith("src/commands/");
    return isBelow
      ? []
      : [`main.ts → ${edge.to}: main.ts is the process; what it does is below src/cli.ts and the commands`];
  }
  if (!edge.from.startsWith("src/")) return [];
  if (edge.to === "deno.json") return [];
  if (edge.to.startsWith("targets/init/") && folderOf(edge.from) === "init") return []; // texts of units, not code
  const reason = edge.to.startsWith("src/") ? forbiddenFolder(edge) : forbiddenOutside(edge);
  return reason === undefined ? [] : [`${edge.from} → ${edge.to}: ${reason}`];
}

function forbiddenFolder(edge: Edge): string | undefined {
  const [from, to] = [folderOf(edge.from), folderOf(edge.to)];
  if (from === to) return undefined;
  const layer = layers[from];
  if (layer === undefined) return `"${from}" has no place in the table of layers`;
  const may = edge.typeOnly ? [...layer.mayImport, ...layer.mayImportTypes ?? []] : layer.mayImport;
  if (may.includes(to) || (may.includes("*") && to !== "")) return undefined;
  return layer.because;
}

function forbiddenOutside(edge: Edge): string | undefined {
  const from = folderOf(edge.from);
  if (edge.to.startsWith("npm:") || edge.to.startsWith("node:")) {
    if (pure.includes(from) && (impureModules.test(edge.to) || edge.to.startsWith("npm:"))) {
      return "formats, pipeline and rules touch nothing outside: no files, no sockets, no packages";
    }
    const rule = packages.find(([pattern]) => pattern.test(edge.to));
    return rule === undefined || edge.typeOnly || rule[1].includes(from) ? undefined : rule[2];
  }
  return "src/ stands on itself, node: and the packages of deno.json";
}

/** Packages that `start` loads at once, through any number of static imports, and that `may` does not name. */
function heavyLoads(edges: readonly Edge[], start: string, may: RegExp): readonly string[] {
  const reached = new Set([start]);
  for (const path of reached) {
    for (const edge of edges) if (edge.from === path && !edge.typeOnly && !edge.dynamic) reached.add(edge.to);
  }
  return [...reached].filter((name) => name.startsWith("npm:") && !may.test(name))
    .map((name) => `${start} loads ${name} at its start: it must be small and quick; load it with import()`);
}

/** `sinks` of `src/sinks/relp/sink.ts`; empty for files of `src/` itself. */
function folderOf(path: string): string {
  const parts = path.split("/");
  return parts[0] === "src" && parts.length > 2 ? parts[1]! : "";
}

/** The text with comments and the contents of plain strings blanked; templates stay, since code stands in them. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, " ");
}
