/** The routes of the status server, as an application without sockets. */
import { createHash } from "node:crypto";
import { type Context as HonoContext, Hono } from "hono";
import { errorText } from "../../pipeline/errors.ts";
import { openLog } from "../../system/log.ts";
import { type History, keepHistory } from "../history.ts";
import { chooseFormat, formatMetrics } from "../metrics/format.ts";
import { pageAssets } from "../page/assets.ts";
import { renderPage } from "../page/page.ts";
import type { AgentFeed } from "../state.ts";
import type { Access } from "./access.ts";
import { addDumpRoutes } from "./dump_routes.ts";
import type { Dumps } from "./dumps.ts";
import type { Application, Caller } from "./exchange.ts";
import { complaintOfOrigin, type OwnNames } from "./guard.ts";
import { loginPage } from "./login_page.ts";
import { openApi } from "./openapi.ts";
import { unreadiness } from "./readiness.ts";
import { sessionCookie, type Sessions, type Visitor } from "./sessions.ts";
import { followTail, TailLimit } from "./tail.ts";

/** What the routes are made of. */
export interface AppParts extends Access {
  readonly feed: AgentFeed;
  readonly sessions: Sessions;
  readonly own: OwnNames;
  readonly dumps: Dumps | undefined;
  readonly canTail: boolean;
  /** Aborts when the server stops. */
  readonly stop: AbortSignal;
}

/** What a route knows beside its request. */
export interface StatusEnv {
  readonly Bindings: Caller;
  readonly Variables: { readonly visitor: Visitor };
}
/** The argument of a route. */
export type StatusContext = HonoContext<StatusEnv>;

/** The application. */
export function statusApp(parts: AppParts): Application {
  const { feed, dumps, own } = parts;
  const app = new Hono<StatusEnv>();
  app.use(async (context, next) => {
    const refused = complaintOfOrigin(context.env.head, own);
    if (refused === undefined) return await next();
    log.debug(`refused ${context.req.method} ${context.req.path} (${refused.status}): ${refused.text}`);
    return context.text(`${refused.text}\n`, refused.status);
  });
  addOpenRoutes(app, parts);
  app.use(async (context, next) => {
    const { head } = context.env;
    const visitor = parts.sessions.visitorOf(head);
    if (visitor === undefined) return unknownCaller(context);
    const changes = context.req.method !== "GET" && context.req.method !== "HEAD";
    if (changes && !parts.sessions.isProven(head, visitor, await proofOf(context))) {
      return context.json({ error: "the request does not come from this server's page; load it anew" }, 403);
    }
    context.set("visitor", visitor);
    return await next();
  });
  const history = keepHistory(feed, parts.stop);
  app.get("/", (context) => page(context, parts, history));
  app.get("/api/status", (context) => context.json(feed.state()));
  app.get("/metrics", async (context) => {
    const { contentType, body } = await formatMetrics(feed.state(), chooseFormat(context.req.header("accept")));
    return context.body(body, 200, { "content-type": contentType });
  });
  app.get("/api/config", (context) => context.body(feed.configuration(), 200, { "content-type": yamlType }));
  app.get("/openapi.json", (context) => context.json(openApi(feed.state().version)));
  const tails = new TailLimit();
  app.get("/api/tail", (context) => followTail(context, feed, tails));
  const mayLeaveOpen = (visitor: Visitor): boolean =>
    "path" in parts.listen || visitor.knowsToken || parts.tls?.ca !== undefined;
  if (dumps !== undefined) addDumpRoutes(app, dumps, mayLeaveOpen);
  app.notFound((context) => context.text("there is nothing here\n", 404));
  app.onError((error, context) => {
    log.error(`Cannot answer ${context.req.method} ${context.req.path}: ${errorText(error)}`);
    return context.text("the agent has trouble of its own; its log tells more\n", 500);
  });
  return (request, caller) => app.fetch(request, caller);
}

/** What everybody may ask who reaches the server: whether it lives, what the login looks like. */
function addOpenRoutes(app: Hono<StatusEnv>, { feed, sessions, own }: AppParts): void {
  app.get("/health", (context) => context.text("ok\n"));
  app.get("/ready", (context) => {
    const reasons = unreadiness(feed.state());
    const known = sessions.visitorOf(context.env.head) !== undefined; // reasons name peers
    return context.json(
      { ready: reasons.length === 0, ...(known ? { reasons } : {}) },
      reasons.length === 0 ? 200 : 503,
    );
  });
  for (const [path, { contentType, body }] of Object.entries(pageAssets)) {
    const etag = `"${createHash("sha256").update(body).digest("hex").slice(0, 16)}"`;
    app.get(path, (context) => {
      const headers = { etag, "cache-control": "no-cache" };
      if (context.req.header("if-none-match") === etag) return context.body(null, 304, headers);
      return context.body(body, 200, { ...headers, "content-type": contentType });
    });
  }
  app.post("/login", async (context) => {
    const { token } = await fieldsOf(context);
    const id = sessions.begin(token ?? "");
    if (id === undefined) {
      log.warning("somebody tried to log in with a token that is none");
      return context.html(loginPage("This token is not one of this agent."), 401);
    }
    return context.body(null, 303, { location: "/", "set-cookie": sessionCookie(id, own.scheme === "https") });
  });
  app.post("/logout", (context) => {
    sessions.end(context.env.head);
    return context.body(null, 303, { location: "/", "set-cookie": sessionCookie("", own.scheme === "https") });
  });
}

function page(
  context: StatusContext,
  { feed, dumps, canTail }: AppParts,
  history: History,
): Response | Promise<Response> {
  const state = feed.state();
  const newest = dumps?.newest?.state;
  return context.html(renderPage(state, {
    history,
    csrfToken: context.get("visitor").csrfToken,
    canDump: dumps !== undefined,
    canTail,
    ...(newest === undefined ? {} : { dump: newest }),
  }));
}

/** People get a form, programs a line. */
function unknownCaller(context: StatusContext): Response | Promise<Response> {
  const person = context.req.method === "GET" && context.req.header("accept")?.includes("text/html") === true;
  if (person) return context.html(loginPage(), 401);
  return context.json({ error: "a token is needed: Authorization: Bearer TOKEN" }, 401, {
    "www-authenticate": 'Bearer realm="agent"',
  });
}

async function proofOf(context: StatusContext): Promise<string | undefined> {
  return context.req.header("x-csrf-token") ?? (await fieldsOf(context))["csrf"];
}

/** Fields of a form, the first of each name; none for a body of another kind. */
export async function fieldsOf(context: StatusContext): Promise<Readonly<Record<string, string | undefined>>> {
  if (!/^application\/x-www-form-urlencoded\b/i.test(context.req.header("content-type") ?? "")) return {};
  return Object.fromEntries([...new URLSearchParams(await context.req.text())].reverse());
}

const yamlType = "application/yaml; charset=utf-8";
const log = openLog("status");
