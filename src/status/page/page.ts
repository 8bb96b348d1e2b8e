/**
 * The page: what a person sees of a running agent. It is whole without script; the script only fetches it again, follows the tail and
 * asks for a dump. Regions that the script renews carry `data-live` and an id.
 */
import { severityName } from "../../formats/priority.ts";
import type { History } from "../history.ts";
import type { AgentState } from "../state.ts";
import { type Html, html, roughly } from "./html.ts";
import {
  machinePart,
  recentVerdict,
  signs,
  sinksPart,
  sourcesPart,
  totalsPart,
  troublesPart,
  verdictPart,
} from "./parts.ts";

/** What the page shows beside the state. */
export interface PageOptions {
  /** Samples of the last hour; see `keepHistory`. */
  readonly history: History;
  /** Proof that a request comes from this page, sent back as the header `x-csrf-token` or the field `csrf`. */
  readonly csrfToken: string;
  /** Whether a dump can be asked for here. */
  readonly canDump: boolean;
  /** Whether there is a live tail; a server alone has none. */
  readonly canTail: boolean;
  /** The dump that runs or was made last. */
  readonly dump?: DumpView;
}

/** A dump as `GET /api/dump/:id` tells of it. */
export interface DumpView {
  readonly id: string;
  readonly state: "running" | "done" | "failed";
  /** `3/17:kernel`, or what it does now. */
  readonly progress?: string;
  readonly error?: string;
}

/** A whole document in HTML. Nothing in it is a script, a style or an address of another host. */
export function renderPage(state: AgentState, options: PageOptions): string {
  const verdict = recentVerdict(state, options.history);
  return `<!doctype html>\n${html`
    <html lang="en">
      <head><meta charset="utf-8">
    <title>${signs[verdict.level]} ${state.hostname}: ${verdict.title}</title>
    <meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
    <meta name="csrf-token" content="${options.csrfToken}">
    <link rel="icon" href="/page.svg" type="image/svg+xml"><link rel="stylesheet" href="/page.css">
    <script type="module" src="/page.js"></script>
    <noscript><meta http-equiv="refresh" content="10"></noscript></head>
      <body data-level="${verdict.level}"><a class="skip" href="#main">Skip to the figures</a>
    <header>${headPart(state)}</header>
    <main id="main" tabindex="-1">
    <section aria-label="Verdict"><div id="verdict" data-live role="status" aria-live="polite" aria-atomic="true">${verdictPart(
      verdict,
    )}</div><div id="troubles" data-live>${troublesPart(verdict)}</div><div id="totals" data-live>${totalsPart(
      state,
      options.history,
    )}</div></section>
    ${section("sinks", "Sinks", sinksPart(state, options.history))}
    ${section("sources", "Sources", sourcesPart(state, options.history))}
    ${machineSection(state)}
    ${options.canTail && tailSection(state)}
    ${options.canDump && dumpSection(options)}
    </main>
    <footer><nav aria-label="Other forms">${links.map(([path, name]) =>
      html`
        <a href="${path}">${name}</a>
      `
    )}</nav></footer></body>
    </html>
  `}\n`;
}

function headPart({ hostname, command, version, nowMs, startMs }: AgentState): Html {
  return html`
    <span class="host">${hostname}</span> <span
      class="quiet">agent ${command} ${version}, up <span id="uptime" data-live>${roughly(
        Math.max(0, nowMs - startMs),
      )}</span></span> <span
      class="quiet" id="liveness"><noscript>renewed every 10 s, <a href="/">now</a></noscript></span>
  `;
}

function section(id: string, title: string, content: Html): Html {
  return html`
    <section aria-labelledby="${id}-title">
      <h2 id="${id}-title">${title}</h2>
      <div id="${id}" data-live>${content}</div>
    </section>
  `;
}

function machineSection(state: AgentState): Html | undefined {
  const parts = machinePart(state);
  return parts.length === 0 ? undefined : section("machine", "This machine", html`<dl class="facts">${parts}</dl>`);
}

function tailSection({ sources }: AgentState): Html {
  return html`
    <section aria-labelledby="tail-title">
      <h2 id="tail-title">Live tail</h2>
      <form id="tail-form" method="get" action="/api/tail">
        <label>Source <select name="source"><option value="">all</option>${sources.map(({ id }) =>
          html`<option>${id}</option>`
        )}</select></label>
        <label>At least as severe as <select name="severity">${[7, 6, 5, 4, 3, 2, 1, 0].map((one) =>
          html`<option value="${one}">${severityName(one)}</option>`
        )}</select></label>
        <label>Contains <input name="contains" type="search" autocomplete="off" maxlength="200"></label>
        <button type="submit" id="tail-button">Follow</button>
        <p class="quiet" id="tail-state" role="status">What passes from now on, after rules and redaction.</p>
      </form>
      <ol id="tail" role="log" aria-live="off" aria-label="Records" tabindex="0" hidden></ol>
    </section>
  `;
}

function dumpSection({ csrfToken, dump }: PageOptions): Html {
  return html`<section aria-labelledby="dump-title"><h2 id="dump-title">Support dump</h2>
<p class="quiet" id="dump-about">The evidence of this machine in one file, secrets taken out. One at a time; kept here for an hour.</p>
<form id="dump-form" method="post" action="/api/dump"><input type="hidden" name="csrf" value="${csrfToken}">
<label>Profile <select name="profile" aria-describedby="dump-about">${
    profiles.map(([name, about]) => html`<option value="${name}">${name}: ${about}</option>`)
  }</select></label>
<button type="submit" id="dump-button">Make a dump</button>
<button type="button" id="dump-cancel" hidden>Cancel</button></form>
<div id="dump" role="status" aria-live="polite"${
    dump !== undefined && html`
      data-id="${dump.id}" data-state="${dump.state}"
    `
  }>${dump !== undefined && dumpPart(dump)}</div>
<progress id="dump-progress" aria-label="Progress of the dump" max="1" hidden></progress></section>`;
}

function dumpPart({ id, state, progress, error }: DumpView): Html {
  if (state === "running") return html`<p>A dump is being made: ${progress ?? "starting"}</p>`;
  if (state === "failed") {
    return html`<p class="bad">The dump failed: ${error ?? "for a reason that is in the log"}</p>`;
  }
  return html`<p><a href="/api/dump/${encodeURIComponent(id)}" download>Download the dump</a></p>`;
}

const profiles = [
  ["speed", "the essentials, in half a minute"],
  ["complete", "everything"],
  ["size", "small enough to mail"],
] as const;

const links = [
  ["/api/status", "JSON"],
  ["/metrics", "Metrics"],
  ["/api/config", "Configuration"],
  ["/openapi.json", "Interface"],
] as const;
