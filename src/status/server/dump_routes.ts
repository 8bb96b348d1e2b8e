/** Dumps over HTTP: asked for, watched, fetched, cancelled. */
import type { Hono } from "hono";
import { z } from "zod";
import { fieldsOf, type StatusContext, type StatusEnv } from "./app.ts";
import { fileResponse } from "./download.ts";
import { dumpProfiles, type DumpRun, type Dumps, type DumpState, type DumpWish } from "./dumps.ts";
import { encodeEvent, eventResponse } from "./tail.ts";
import type { Visitor } from "./sessions.ts";

/**
 * Adds them to the routes.
 * @param mayLeaveOpen who may ask for a dump that is not encrypted although that is configured
 */
export function addDumpRoutes(app: Hono<StatusEnv>, dumps: Dumps, mayLeaveOpen: (visitor: Visitor) => boolean): void {
  app.post("/api/dump", (context) => begin(context, dumps, mayLeaveOpen));
  app.get("/api/dump/:id", (context) => {
    const run = dumps.find(context.req.param("id"));
    return run === undefined ? unknown(context) : show(context, run);
  });
  app.delete("/api/dump/:id", async (context) => {
    const run = dumps.find(context.req.param("id"));
    if (run === undefined) return unknown(context);
    await dumps.remove(run);
    return context.body(null, 204);
  });
}

async function begin(
  context: StatusContext,
  dumps: Dumps,
  mayLeaveOpen: (visitor: Visitor) => boolean,
): Promise<Response> {
  const isForm = /^application\/x-www-form-urlencoded\b/i.test(context.req.header("content-type") ?? "");
  const wish = isForm ? parseWish({ profile: (await fieldsOf(context))["profile"] }) : await wishOf(context);
  if (wish instanceof Response) return wish;
  if ("error" in wish) return context.json(wish, 400);
  if (!wish.encrypt && !mayLeaveOpen(context.get("visitor"))) {
    return context.json({ error: "a dump that is not encrypted is made for who shows a token or a certificate" }, 403);
  }
  const busy = dumps.running;
  const run = busy ?? dumps.start(wish)!;
  const location = `/api/dump/${run.id}`;
  if (isForm) return context.body(null, 303, { location: "/" }); // the page tells of the one that runs, whichever it is
  if (busy !== undefined) {
    return context.json({ error: "another dump is being made", id: run.id, url: location }, 409, { location });
  }
  return context.json({ id: run.id, url: location }, 202, { location });
}

async function wishOf(context: StatusContext): Promise<Response | DumpWish | { readonly error: string }> {
  const text = await context.req.text();
  const type = context.req.header("content-type") ?? "";
  if (text !== "" && !/^application\/json\b/i.test(type)) {
    return context.json({ error: "the body is JSON: content-type: application/json" }, 415);
  }
  try {
    return parseWish(text === "" ? {} : JSON.parse(text));
  } catch {
    return { error: "the body is not JSON" };
  }
}

const moment = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
const wishSchema = z.strictObject({
  profile: z.enum(dumpProfiles).optional(),
  deadlineMs: z.int().min(1_000).max(3_600_000).optional(),
  encrypt: z.boolean().default(true),
  since: moment.optional(),
  until: moment.optional(),
});

function parseWish(value: unknown): DumpWish | { readonly error: string } {
  const result = wishSchema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    return { error: `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not a wish"}` };
  }
  return Object.fromEntries(Object.entries(result.data).filter(([, one]) => one !== undefined)) as unknown as DumpWish;
}

function unknown(context: StatusContext): Response {
  return context.json({ error: "there is no such dump, or it was removed after its time" }, 404);
}

/** Who asks for JSON or events is told how it goes; everybody else gets the file as soon as there is one. */
function show(context: StatusContext, run: DumpRun): Response {
  run.touch();
  const accept = context.req.header("accept") ?? "*/*";
  if (accept.includes("text/event-stream")) {
    if (context.req.method === "HEAD") return context.body(null, 200, { "content-type": "text/event-stream" });
    return eventResponse((signal) => states(run, signal), context.env.gone);
  }
  const { state } = run;
  const wantsFile = /application\/(gzip|octet-stream|\*)|\*\/\*/.test(accept) || !accept.includes("application/json");
  if (run.path === undefined || !wantsFile) return context.json(told(state));
  const name = (state.name ?? "").replaceAll(/[^A-Za-z0-9._-]/g, "_");
  return fileResponse({
    path: run.path,
    name,
    contentType: name.endsWith(".gz") ? "application/gzip" : "application/octet-stream",
    version: run.id,
  }, {
    range: context.req.header("range"),
    ifRange: context.req.header("if-range"),
    ifNoneMatch: context.req.header("if-none-match"),
  });
}

function told(state: DumpState): DumpState & { readonly download?: string } {
  return state.state === "done" ? { ...state, download: `/api/dump/${state.id}` } : state;
}

async function* states(run: DumpRun, signal: AbortSignal): AsyncGenerator<string> {
  for await (const state of run.watch(signal)) yield encodeEvent(told(state));
}
