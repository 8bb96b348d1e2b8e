/** What the user asks for: commands of their own, pages of metrics, and what the agent knows of itself. */
import type { Artifact, ArtifactKind, Collector } from "../collector.ts";
import { errorText } from "../../pipeline/errors.ts";
import { collector, commandArtifact, commandLine, textArtifact } from "./define.ts";
import { abortable } from "./files.ts";

/** A command of the configuration; no shell stands between. */
export interface AskedCommand {
  /** Names the artifact; letters, digits, `.`, `_`, `-`. */
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
  /** Default 30 s. */
  readonly timeoutMs?: number;
  readonly kind?: ArtifactKind;
}

/** One command. */
export function commandCollector(asked: AskedCommand): Collector {
  const [program, ...args] = asked.command;
  const timeoutMs = asked.timeoutMs ?? 30_000;
  return collector({
    id: `command/${asked.name}`,
    summary: `command of the configuration: ${commandLine({ program, args })}`,
    timeoutMs: timeoutMs + 2_000,
    plan: () => [`run ${commandLine({ program, args })}`],
    async *collect(context): AsyncIterable<Artifact> {
      const extension = asked.kind === undefined || asked.kind === "text" ? "txt" : asked.kind;
      const to = `commands/${asked.name}${/\.\w+$/.test(asked.name) ? "" : `.${extension}`}`;
      yield await Promise.resolve(
        commandArtifact(context, { program, args, timeoutMs, to, required: true, kind: asked.kind ?? "text" }),
      );
    },
  });
}

/** A page of metrics. @param url http or https; what stands before an `@` in it is used and never shown */
export function metricsCollector(url: string): Collector {
  if (!/^https?:/.test(url) || !URL.canParse(url)) throw new Error(`metrics: "${url}" is no http or https URL`);
  const shown = new URL(url);
  shown.username = "";
  shown.password = "";
  shown.search = "";
  const name = `${shown.host}${shown.pathname}`.replaceAll(/[^\w.-]+/g, "_").replace(/_$/, "");
  return collector({
    id: `metrics/${name}`,
    summary: `metrics of ${shown}`,
    timeoutMs: 8_000,
    plan: () => [`GET ${shown}`],
    async *collect(context): AsyncIterable<Artifact> {
      try {
        const text = await scrape(url, AbortSignal.any([context.signal, AbortSignal.timeout(6_000)]));
        yield textArtifact(`metrics/${name}.prom`, `GET ${shown}`, text);
      } catch (error) {
        context.signal.throwIfAborted();
        const isLate = error instanceof DOMException && error.name === "TimeoutError";
        const why = isLate ? "no answer within 6 s" : errorText(error).replaceAll(url, String(shown));
        const state = isLate ? "timeout" : "error";
        context.note({ about: `metrics/${name}.prom`, state, text: `Cannot GET "${shown}": ${why}` });
      }
    },
  });
}

/** At most 8 MiB. */
async function scrape(url: string, signal: AbortSignal): Promise<string> {
  const target = new URL(url);
  const { username, password } = target;
  target.username = target.password = "";
  const login = username === "" ? {} : {
    authorization: `Basic ${btoa(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`)}`,
  };
  // A redirect could send the login elsewhere.
  const answer = await fetch(target, { signal, headers: login, redirect: "error" });
  if (!answer.ok) {
    await answer.body?.cancel();
    throw new Error(`the server says ${answer.status}`);
  }
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of answer.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > 8 * 2 ** 20) break;
  }
  return text;
}

/** One thing that the agent knows of itself; who wires the dump hands it over, so that a dump depends on nobody. */
export interface OwnState {
  /** Below `agent/` in the bundle: `configuration.yaml`, `spool.json`. */
  readonly path: string;
  readonly kind: ArtifactKind;
  /** Where it comes from, for the report. */
  readonly origin: string;
  /** The text; undefined when there is none. An error is noted. */
  read(signal: AbortSignal): Promise<string | undefined> | string | undefined;
}

/** Configuration without secrets, spool, positions, certificate, own log: whatever it was given. */
export function ownStateCollector(items: readonly OwnState[]): Collector {
  return collector({
    id: "agent/state",
    summary: "the agent itself: configuration without secrets, spool, positions, certificate, its own newest log",
    timeoutMs: 15_000,
    skips: () => items.length === 0 ? "nothing of the agent is known here" : undefined,
    plan: () => items.map(({ origin }) => `read ${origin}`),
    async *collect(context): AsyncIterable<Artifact> {
      for (const item of items) {
        const to = `agent/${item.path}`;
        try {
          const text = await abortable(Promise.resolve(item.read(context.signal)), context.signal);
          if (text !== undefined) yield textArtifact(to, item.origin, text, item.kind);
        } catch (error) {
          context.signal.throwIfAborted();
          const isDenied = error instanceof Deno.errors.PermissionDenied;
          const hint = isDenied ? "\nTry: run it as root, or as the user of the agent" : "";
          const text = `Cannot read "${item.origin}": ${errorText(error)}${hint}`;
          context.note({ about: to, state: isDenied ? "denied" : "error", text });
        }
      }
    },
  });
}
