/** The interface as OpenAPI 3.1 describes it. Pure. */

/** A piece of the document. */
export type Json = { readonly [name: string]: unknown };

/** The document, for `/openapi.json`. @param version of the agent */
export function openApi(version: string): Json {
  return {
    openapi: "3.1.0",
    info: { title: "agent: status server", version, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    security: [{}, { token: [] }],
    paths: {
      "/": get("The page.", { 200: of("text/html", "The page."), 401: of("text/html", "A form for the token.") }),
      "/health": get("Whether the process lives.", { 200: of("text/plain", "It does.") }),
      "/ready": get("Whether it does what it is for.", {
        200: of("application/json", "It does.", readySchema),
        503: of("application/json", "A sink is down for a minute, or a source cannot be read.", readySchema),
      }),
      "/metrics": get("Metrics, by Accept.", {
        200: {
          description: "Prometheus text format 0.0.4 or OpenMetrics 1.0.",
          content: { "text/plain": {}, "application/openmetrics-text": {} },
        },
      }),
      "/api/status": get("All figures at one moment.", {
        200: of("application/json", "Sources, sinks, pairs, spool, certificate.", { type: "object" }),
      }),
      "/api/config": get("The configuration in use, without secrets.", { 200: of("application/yaml", "YAML.") }),
      "/openapi.json": get("This document.", { 200: of("application/json", "OpenAPI 3.1.", { type: "object" }) }),
      "/api/tail": get(
        "What passes from now on, after rules and redaction, as server-sent events.",
        { 200: of("text/event-stream", "One JSON object per event."), 503: failed("Too many follow.") },
        [
          query("source", "Id of a source; may be given several times.", { type: "array", items: { type: "string" } }),
          query("severity", "Least important severity, a name or 0 to 7.", { type: "string" }),
          query("contains", "Text in the message, without regard to case.", { type: "string", maxLength: 200 }),
        ],
      ),
      "/api/dump": { post: beginDump },
      "/api/dump/{id}": {
        ...get(
          "How it goes (JSON or events, by Accept); the file when it is done.",
          {
            200: {
              description: "The state, or the file.",
              content: {
                "application/json": { schema: dumpSchema },
                "text/event-stream": {},
                "application/gzip": {},
                "application/octet-stream": {},
              },
            },
            206: { description: "The range that was asked for." },
            404: failed("There is none."),
            416: { description: "The range is none of the file." },
          },
          [idParameter],
        ),
        delete: {
          summary: "Cancels it, or removes the file.",
          parameters: [idParameter],
          responses: { 204: { description: "It is gone." }, 404: failed("There is none.") },
        },
      },
    },
    components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
  };
}

function get(summary: string, responses: Json, parameters: readonly Json[] = []): Json {
  return { get: { summary, ...(parameters.length === 0 ? {} : { parameters }), responses } };
}

function of(type: string, description: string, schema: Json = { type: "string" }): Json {
  return { description, content: { [type]: { schema } } };
}

function failed(description: string): Json {
  return of("application/json", description, {
    type: "object",
    required: ["error"],
    properties: { error: { type: "string" }, id: { type: "string" }, url: { type: "string" } },
  });
}

function query(name: string, description: string, schema: Json): Json {
  return { name, in: "query", required: false, description, schema };
}

const idParameter: Json = { name: "id", in: "path", required: true, schema: { type: "string" } };

const readySchema: Json = {
  type: "object",
  required: ["ready"],
  properties: { ready: { type: "boolean" }, reasons: { type: "array", items: { type: "string" } } },
};

const dumpSchema: Json = {
  type: "object",
  required: ["id", "state", "done", "total", "doing", "progress", "startMs"],
  properties: {
    id: { type: "string" },
    state: { enum: ["running", "done", "failed"] },
    done: { type: "integer" },
    total: { type: "integer" },
    doing: { type: "string" },
    progress: { type: "string" },
    startMs: { type: "integer" },
    endMs: { type: "integer" },
    error: { type: "string" },
    name: { type: "string" },
    sizeBytes: { type: "integer" },
    complete: { type: "boolean" },
    download: { type: "string" },
  },
};

const beginDump: Json = {
  summary: "Begins a dump. It is cancelled when nobody asks for it for half a minute while it is made.",
  requestBody: {
    required: false,
    content: {
      "application/json": {
        schema: {
          type: "object",
          additionalProperties: false,
          properties: {
            profile: { enum: ["speed", "complete", "size"] },
            deadlineMs: { type: "integer", minimum: 1_000, maximum: 3_600_000 },
            encrypt: { type: "boolean", default: true },
            since: { type: "string", format: "date-time" },
            until: { type: "string", format: "date-time" },
          },
        },
      },
    },
  },
  responses: {
    202: of("application/json", "It is being made.", { type: "object", required: ["id"] }),
    400: failed("The wish cannot be read."),
    403: failed("Not encrypted: for those alone who say who they are."),
    409: failed("Another one is being made; its id is told."),
  },
};
