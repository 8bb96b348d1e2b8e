import { doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { someSink, someSource, someState } from "../../../test/peers/agent_state.ts";
import { History } from "../history.ts";
import type { AgentState } from "../state.ts";
import { pageAssets } from "./assets.ts";
import { type PageOptions, renderPage } from "./page.ts";
import { sparkline } from "./sparkline.ts";

function render(state: AgentState, over: Partial<PageOptions> = {}): string {
  return renderPage(state, { history: new History(), csrfToken: "proof", canDump: true, canTail: true, ...over });
}

Deno.test("renderPage() shows every text of the machine as text", () => {
  const evil = `"><script>alert(1)</script>&'`;
  const drops = [{ reason: evil, intended: false, records: 1, bytes: 1 }];
  const page = render(
    someState({
      hostname: evil,
      version: evil,
      sources: [someSource(evil, { type: evil, error: evil, errorSinceMs: 0, drops })],
      sinks: [someSink(evil, { type: evil, target: evil, up: false, lastError: evil, lastErrorMs: 0, drops })],
      spool: { usedBytes: 1, maxBytes: 2, records: 1, drops },
      certificate: { subject: evil, notBeforeMs: 0, notAfterMs: 0, renewalMs: 0, ok: false, problem: evil },
    }),
    { csrfToken: evil, dump: { id: evil, state: "failed", error: evil } },
  );
  strictEqual(page.match(/<script/g)?.length, 1); // our own
  strictEqual(page.includes(`"><script>`), false);
});

Deno.test("renderPage() needs no exception from a strict policy, and no other host", () => {
  const page = render(someState());
  doesNotMatch(page, /<style|style=|\son[a-z]+=|javascript:|<script(?! type="module" src="\/page\.js")/i);
  doesNotMatch(page, /(?:src|href|action)="(?!\/|#)/);
  for (const [, path] of page.matchAll(/(?:src|href)="(\/page\.[a-z]+)"/g)) ok(path! in pageAssets, path);
  for (const { body } of Object.values(pageAssets)) {
    doesNotMatch(body.replaceAll("http://www.w3.org/2000/svg", ""), /https?:\/\/|@import|\beval\b|innerHTML\s*=(?!=)/);
  }
});

Deno.test("renderPage() leaves out what this agent does not have", () => {
  const bare = render(someState({ sources: [], sinks: [], command: "serve" }), { canDump: false, canTail: false });
  for (const id of ["machine", "tail", "dump"]) doesNotMatch(bare, new RegExp(`id="${id}"`));
  match(bare, /No sources: this agent reads nothing/);
});

Deno.test("renderPage() links to a dump that is done, and tells how far one is", () => {
  match(render(someState(), { dump: { id: "a b", state: "done" } }), /href="\/api\/dump\/a%20b"/);
  match(
    render(someState(), { dump: { id: "x", state: "running", progress: "3/17:kernel" } }),
    /being made: 3\/17:kernel/,
  );
});

Deno.test("renderPage() takes the losses of the last hour alone into its verdict", () => {
  let nowMs = 0;
  const history = new History({ everyMs: 10_000, count: 7, now: () => nowMs });
  const state = someState({
    sinks: [someSink("loghost", { drops: [{ reason: "refused", intended: false, records: 5, bytes: 1 }] })],
  });
  history.add(state);
  match(render(state, { history }), /lost 5 records in the last hour \(refused\)/);
  for (let i = 1; i <= 10; i++) {
    nowMs = i * 10_000;
    history.add(state);
  }
  const later = render(state, { history });
  match(later, /All logs leave this machine/);
  match(later, /Lost since the start<\/dt>\s*<dd class="warning">5</);
});

Deno.test("sparkline() draws gaps where nothing is known, and says what it shows", () => {
  const text = String(sparkline("Sink a", [undefined, 1, 2, undefined, 4]));
  match(text, /aria-label="Sink a, last hour: at most 4\.0 a second"/);
  strictEqual(text.match(/M[\d. ]+h\.1/g)?.length, 2);
  doesNotMatch(text, /NaN|undefined/);
  match(String(sparkline("Sink a", [undefined])), /nothing known of the last hour yet/);
  doesNotMatch(String(sparkline("Sink a", [0])), /NaN/);
});
