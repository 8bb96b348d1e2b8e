/** The page in Chromium: how it looks, whom it serves, and that it lives. Screenshots go to `dist/screenshots`. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { History } from "../../src/status/history.ts";
import { pageAssets } from "../../src/status/page/assets.ts";
import { type PageOptions, renderPage } from "../../src/status/page/page.ts";
import { openStatusServer, type StatusServerOptions } from "../../src/status/server/server.ts";
import type { AgentState } from "../../src/status/state.ts";
import { ScriptedFeed, someSink, someSource, someState } from "../peers/agent_state.ts";
import { Browser, type Page } from "../peers/browser.ts";
import { headingLevels, nameless, overflowWidth, poorContrasts, smallControls } from "../peers/page_checks.ts";
import { waitFor } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

const day = 86_400_000;

/** An agent with everything that can be on the page; `trouble`: with all of it in a bad state. */
function fullState(nowMs: number, trouble: boolean): AgentState {
  const spoolDrops = trouble ? [{ reason: "spoolFull", intended: true, records: 120, bytes: 9_000 }] : [];
  return someState({
    nowMs,
    hostname: "router1.example.net",
    sources: [
      someSource("messages", {
        received: { records: 1_234_567, bytes: 180_000_000 },
        lastRecordMs: nowMs - 300,
        drops: [{ reason: "rule", intended: true, records: 4_321, bytes: 99 }],
        files: { watched: 14, open: 3, unreadBytes: trouble ? 7_500_000 : 0 },
      }),
      someSource("console", {
        type: "tap",
        received: { records: 98_765, bytes: 4_000_000 },
        lastRecordMs: nowMs - 65_000,
      }),
      someSource("kernel", {
        type: "kernel",
        received: { records: 812, bytes: 90_000 },
        ...(trouble ? { error: 'Cannot open "/dev/kmsg": Permission denied', errorSinceMs: nowMs - 8 * 60_000 } : {}),
      }),
    ],
    sinks: [
      someSink("loghost", {
        delivered: { records: 1_200_000, bytes: 170_000_000 },
        certificateEndMs: nowMs + 21 * day,
        sinceMs: nowMs - (trouble ? 12 * 60_000 : 3 * day),
        ...(trouble
          ? {
            up: false,
            lastError: "loghost.example.net:2514: connection refused",
            lastErrorMs: nowMs - 4_000,
            held: { records: 34_567, bytes: 5_000_000 },
            lagMs: 12 * 60_000,
            suspensions: 3,
            failures: 41,
            drops: [{ reason: "refused", intended: false, records: 7, bytes: 900 }],
          }
          : {}),
      }),
      someSink("archive", { type: "file", target: "/var/log/archive", delivered: { records: 1_234_567, bytes: 18e7 } }),
    ],
    pairs: [{
      source: "messages",
      sink: "loghost",
      received: 40_000,
      delivered: 5_433,
      dropped: 0,
      held: trouble ? 34_567 : 0,
    }],
    spool: { usedBytes: trouble ? 61_000_000 : 2_000_000, maxBytes: 64 * 2 ** 20, records: 34_567, drops: spoolDrops },
    certificate: {
      subject: "CN=router1.example.net",
      notBeforeMs: nowMs - 9 * day,
      notAfterMs: nowMs + 21 * day,
      renewalMs: nowMs + 11 * day,
      ok: true,
    },
    auditRulesLoaded: true,
  });
}

/** An hour in which traffic rose and fell, with ten minutes of which nothing is known. */
function fullHistory(state: AgentState): History {
  let nowMs = 0;
  const history = new History({ now: () => nowMs });
  let [seen, sent] = [0, 0];
  for (let i = 0; i <= 360; i++) {
    nowMs = i * 10_000;
    const rate = 200 + 150 * Math.sin(i / 20) + (i > 200 && i < 230 ? 500 : 0);
    seen += rate * 10;
    sent += i > 290 ? 0 : rate * 10;
    if (i > 100 && i < 160) continue;
    history.add({
      ...state,
      sources: state.sources.map((one, n) => ({
        ...one,
        received: { records: Math.floor(seen / (n * n * 40 + 1)), bytes: 0 },
      })),
      sinks: state.sinks.map((one) => ({ ...one, delivered: { records: Math.floor(sent), bytes: 0 } })),
    });
  }
  return history;
}

/** The page alone, with the policy that the server sends with it. */
function servePage(state: AgentState): Deno.HttpServer<Deno.NetAddr> & AsyncDisposable {
  const history = fullHistory(state);
  const options: PageOptions = { history, csrfToken: "none", canDump: true, canTail: true };
  const headers = { "content-security-policy": "default-src 'self'; frame-ancestors 'none'" };
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const asset = pageAssets[new URL(request.url).pathname];
    if (asset !== undefined) {
      return new Response(asset.body, { headers: { ...headers, "content-type": asset.contentType } });
    }
    return new Response(renderPage(state, options), {
      headers: { ...headers, "content-type": "text/html; charset=utf-8" },
    });
  });
}

Deno.test({
  name: "the page is for everybody: light, dark, narrow, by its names, in all states",
  ...needs("chromium"),
  fn: async () => {
    await using browser = await Browser.open();
    for (const trouble of [false, true]) {
      const state = fullState(Date.now(), trouble);
      await using server = servePage(state);
      const page = await browser.newPage();
      for (const [name, width, scheme] of looks) {
        await page.resize(width, 900);
        await page.setScheme(scheme);
        await page.open(`http://127.0.0.1:${server.addr.port}/`);
        await page.waitUntil(`document.getElementById("liveness").textContent === "live"`);
        await page.screenshot(join(screenshots, `${trouble ? "trouble" : "well"}-${name}.png`));
        const where = `${name}, ${trouble ? "trouble" : "well"}`;
        deepStrictEqual(await poorContrasts(page), [], where);
        deepStrictEqual(await smallControls(page), [], where);
        strictEqual(await overflowWidth(page), 0, where);
        await checkTree(page, where);
      }
      deepStrictEqual(page.complaints, []);
      deepStrictEqual(foreign(page, server.addr.port), []);
    }
  },
});

async function checkTree(page: Page, where: string): Promise<void> {
  const nodes = await page.accessibleNodes();
  deepStrictEqual(nameless(nodes), [], where);
  const levels = headingLevels(nodes);
  strictEqual(levels[0], 1, where);
  ok(levels.length >= 5 && levels.every((level, i) => i === 0 || (level > 1 && level <= levels[i - 1]! + 1)), where);
  const roles = nodes.map(({ role }) => role);
  for (const role of ["banner", "main", "contentinfo", "navigation"]) ok(roles.includes(role), `${where}: ${role}`);
  // Cards are rows of a table to whoever cannot see them.
  strictEqual(roles.filter((role) => role === "table").length, 2, where);
  strictEqual(roles.filter((role) => role === "rowheader").length, 5, where);
  strictEqual(roles.filter((role) => role === "columnheader").length, 14, where);
}

Deno.test({
  name: "the page tells all of it without script",
  ...needs("chromium"),
  fn: async () => {
    await using browser = await Browser.open();
    await using server = servePage(fullState(Date.now(), true));
    const page = await browser.newPage({ script: false });
    await page.open(`http://127.0.0.1:${server.addr.port}/`);
    await page.screenshot(join(screenshots, "without-script.png"));
    const text = (await page.accessibleNodes()).map(({ name }) => name).join("\n");
    for (
      const words of [
        /Not all logs leave this machine/,
        /connection refused/,
        /34,567/,
        /Permission denied/,
        /in 21d/,
        /renewed every 10 s/,
      ]
    ) {
      match(text, words);
    }
  },
});

Deno.test({
  name: "the page follows the agent, and says when it is gone",
  ...needs("chromium"),
  fn: async () => {
    await using browser = await Browser.open();
    const feed = new ScriptedFeed(someState({ sinks: [someSink("loghost"), someSink("archive")] }));
    const server = await openStatusServer({ ...serverOptions, feed });
    const page = await browser.newPage();
    await page.open(server.address);
    await page.waitUntil(`document.title === "✓ router1: All logs leave this machine"`);
    await page.evaluate("window.sameDocument = true");
    feed.current = { ...feed.current, sources: [someSource("messages", { received: { records: 5_000, bytes: 1 } })] };
    await page.waitUntil(`/[1-9][0-9,.]*/.test(document.querySelector("#sources .rate").textContent)`);
    feed.current = {
      ...feed.current,
      sinks: [someSink("loghost", { up: false, lastError: "<b>refused</b>" }), someSink("archive")],
    };
    await page.waitUntil(`document.querySelector("h1").textContent.includes("Not all logs leave")`);
    await page.waitUntil(`document.getElementById("troubles").textContent.includes("<b>refused</b>")`);
    strictEqual(await page.evaluate("window.sameDocument"), true);
    await server[Symbol.asyncDispose]();
    await page.waitUntil(
      `document.getElementById("liveness").textContent.startsWith("Old figures: the agent does not answer")`,
    );
    deepStrictEqual(foreign(page, server.port), []);
  },
});

Deno.test({
  name: "the tail is opened and filtered by keyboard, and what is said in it is only text",
  ...needs("chromium"),
  fn: async () => {
    await using browser = await Browser.open();
    const feed = new ScriptedFeed(someState());
    await using server = await openStatusServer({ ...serverOptions, feed });
    const page = await browser.newPage();
    await page.open(server.address);
    for (let i = 0; await page.evaluate<string>("document.activeElement.name ?? ''") !== "contains"; i++) {
      ok(i < 20, "the filter cannot be reached by keyboard");
      await page.press("Tab");
    }
    await page.type("Timeout");
    await page.press("Enter");
    await page.waitUntil(`document.getElementById("tail-state").textContent.startsWith("Following")`);
    await waitFor(() => feed.readers === 1, "the reader");
    feed.say({ message: "all is well" });
    feed.say({ message: "a <img src=x onerror=alert(1)> TIMEOUT", severity: 3, skipped: 4 });
    await page.waitUntil(`document.querySelectorAll("#tail li").length === 2`);
    const lines = await page.evaluate<string[]>(
      `[...document.querySelectorAll("#tail li")].map((one) => one.textContent)`,
    );
    match(lines[0]!, /^4 records passed too quickly/);
    match(lines[1]!, /error router1 app a <img src=x onerror=alert\(1\)> TIMEOUT/);
    for (let i = 0; i < 700; i++) feed.say({ message: `timeout ${i}` });
    await page.waitUntil(`document.querySelector("#tail li:last-child")?.textContent.includes("timeout 699")`);
    strictEqual(await page.evaluate(`document.querySelectorAll("#tail li").length`), 500);
    await page.screenshot(join(screenshots, "tail.png"));
    await page.evaluate(`document.getElementById("tail-button").click()`);
    await page.waitUntil(`document.getElementById("tail-state").textContent === "Stopped."`);
    await waitFor(() => feed.readers === 0, "the end of the reader");
    deepStrictEqual(page.complaints, []);
  },
});

Deno.test({
  name: "a dump is asked for, watched, cancelled, and downloaded from the page",
  ...needs("chromium"),
  fn: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "page_dump" });
    try {
      await using browser = await Browser.open();
      const feed = new ScriptedFeed(someState());
      const path = join(folder, "dump.tar.gz");
      const wishes: unknown[] = [];
      await using server = await openStatusServer({
        ...serverOptions,
        feed,
        dumps: {
          keepMs: 60_000,
          make: async (wish, report, signal) => {
            wishes.push(wish);
            report({ done: 5, total: 10, doing: "kernel" });
            if (wishes.length === 1) {
              await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
            }
            Deno.writeTextFileSync(path, "all of it");
            return { path, complete: true };
          },
        },
      });
      const page = await browser.newPage({ downloads: folder });
      await page.open(server.address);
      await page.evaluate(`document.querySelector("#dump-form select").value = "complete"`);
      await page.evaluate(`document.getElementById("dump-button").click()`);
      await page.waitUntil(`document.getElementById("dump-progress").position === 0.5`);
      await page.screenshot(join(screenshots, "dump.png"));
      await page.evaluate(`document.getElementById("dump-cancel").click()`);
      await page.waitUntil(`document.getElementById("dump").textContent === "Cancelled."`);
      await page.waitUntil(`!document.getElementById("dump-button").disabled`);
      await page.evaluate(`document.getElementById("dump-button").click()`);
      await page.waitUntil(`document.getElementById("dump-link") !== null`);
      await page.evaluate(`document.getElementById("dump-link").click()`);
      await waitFor(() => page.downloads.length > 0, "the download");
      strictEqual(Deno.readTextFileSync(join(folder, page.downloads[0]!)), "all of it");
      deepStrictEqual(wishes.map((wish) => (wish as { profile: string }).profile), ["complete", "complete"]);
      deepStrictEqual(page.complaints, []);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "a token opens the page, once, and a dump can be asked for behind it",
  ...needs("chromium"),
  fn: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "page_token" });
    try {
      await using browser = await Browser.open();
      const tokenFile = join(folder, "token");
      const path = join(folder, "dump.tar.gz");
      await using server = await openStatusServer({
        ...serverOptions,
        feed: new ScriptedFeed(someState()),
        tokenFile,
        dumps: { keepMs: 60_000, make: () => Promise.resolve({ path, complete: true }) },
      });
      Deno.writeTextFileSync(path, "all of it");
      const page = await browser.newPage();
      const login = async (token: string): Promise<void> => {
        await page.open(server.address);
        await page.evaluate(`document.querySelector("[name=token]").focus()`);
        await page.type(token);
        await page.press("Enter");
      };
      await login("0123456789abcdef");
      await page.waitUntil(`document.querySelector("[role=alert]") !== null`);
      deepStrictEqual(await poorContrasts(page), []);
      deepStrictEqual(nameless(await page.accessibleNodes()), []);
      await page.screenshot(join(screenshots, "login.png"));
      await login(Deno.readTextFileSync(tokenFile).trim());
      await page.waitUntil(`document.querySelector("h1")?.textContent.includes("All logs leave")`);
      strictEqual(await page.evaluate("document.cookie"), ""); // a script cannot read it
      await page.evaluate(`document.getElementById("dump-button").click()`);
      await page.waitUntil(`document.getElementById("dump-link") !== null`);
      deepStrictEqual(page.complaints.filter((text) => !text.includes("401")), []);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

/** Requests that left for another server than the one under test. */
function foreign(page: Page, port: number): readonly string[] {
  return page.requests.filter((url) => !url.startsWith(`http://127.0.0.1:${port}/`));
}

const serverOptions = { listen: { host: "127.0.0.1", port: 0 } } as const satisfies Partial<StatusServerOptions>;

const looks = [
  ["light", 1280, "light"],
  ["dark", 1280, "dark"],
  ["medium", 1060, "light"],
  ["narrow-light", 360, "light"],
  ["narrow-dark", 360, "dark"],
] as const;

const screenshots = fileURLToPath(new URL("../../dist/screenshots", import.meta.url));
Deno.mkdirSync(screenshots, { recursive: true });
