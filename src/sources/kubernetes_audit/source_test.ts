import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { type Batch, batchOfLines, recordText } from "../../pipeline/batch.ts";
import type { Origin } from "../../pipeline/batch.ts";
import type { Position } from "../../pipeline/checkpoint.ts";
import type { Source } from "../../pipeline/source.ts";
import { eventsOfLists } from "../../formats/kubernetes_audit.ts";
import { type KubernetesAuditOptions, openKubernetesAuditSource } from "./source.ts";

const origin: Origin = { source: "a", host: "h", program: "p", priority: 110, form: "plain", readAtMs: 0 };
const limits = { maxRecords: 10, maxBytes: 10_000 };
const event = (id: string, more = ""): string => `{"level":"Request","auditID":"${id}","stage":"Panic"${more}}`;
const about = (resource: string, more = ""): string => `,"objectRef":{"resource":"${resource}"${more}}`;
const bodies = `,"requestObject":[{"value":"s3cret"}],"verb":"get","responseObject":{"kind":"X","data":"s3cret"}`;
const hidden = `,"requestObject":{"redacted":true},"verb":"get","responseObject":{"redacted":true}`;

const inner = (batches: readonly (readonly string[])[], more: Partial<Source> = {}): Source => ({
  id: "a",
  replayable: true,
  read: async function* (): AsyncGenerator<Batch> {
    for (const [i, lines] of batches.entries()) yield batchOfLines(lines, origin, { at: i });
  },
  ...more,
});

async function read(source: Source, given: (batch: Batch) => void = () => {}): Promise<string[][]> {
  const texts: string[][] = [];
  for await (const batch of source.read(undefined, limits, new AbortController().signal)) {
    texts.push(Array.from({ length: batch.count }, (_, i) => recordText(batch, i)));
    given(batch);
  }
  return texts;
}

const open = (source: Source, options: Partial<KubernetesAuditOptions> = {}): Source =>
  openKubernetesAuditSource({
    id: "a",
    inner: source,
    levels: [],
    stages: [],
    redactBodies: ["secrets", "serviceaccounts/token"],
    rememberedEvents: 3,
    ...options,
  });

Deno.test("openKubernetesAuditSource() hides the bodies of what is secret and leaves all else as it came", async () => {
  for (
    const [resource, kept] of [
      [about("secrets"), false],
      [about("secrets", `,"subresource":"status"`), false],
      [about("serviceaccounts", `,"subresource":"token"`), false],
      [about("serviceaccounts"), true],
      [about("pods", `,"name":"secrets"`), true],
      ["", false],
      [`,"object\\u0052ef":{"resource":"secr\\u0065ts"}`, false],
    ] as const
  ) {
    const lines = [event("1"), event("2", resource + bodies), event("3")];
    const wanted = [event("1"), event("2", resource + (kept ? bodies : hidden)), event("3")];
    deepStrictEqual(await read(open(inner([lines]))), [wanted], resource);
  }
  const own = event("4", `${about("pods")},"requestObject":{"kind":"Secret","data":"s3cret"}`);
  strictEqual((await read(open(inner([[own]]))))[0]![0]!.includes("s3cret"), false, "what calls itself a Secret");
  const all = event("5", about("pods") + bodies);
  strictEqual((await read(open(inner([[all]]), { redactBodies: ["*"] })))[0]![0]!.includes("s3cret"), false);
});

Deno.test("openKubernetesAuditSource() lets through the levels and stages that are asked for", async () => {
  const of = (level: string, stage: string): string => `{"level":"${level}","auditID":"${level}","stage":"${stage}"}`;
  const lines = [of("Metadata", "Panic"), of("Request", "Panic"), of("Request", "ResponseComplete")];
  deepStrictEqual(await read(open(inner([lines]), { levels: ["Request"] })), [lines.slice(1)]);
  deepStrictEqual(await read(open(inner([lines]), { stages: ["ResponseComplete"] })), [lines.slice(2)]);
});

Deno.test("openKubernetesAuditSource() drops and counts what is no whole event, and what came before", async () => {
  const whole = event("1", about("secrets") + bodies);
  const source = open(inner([[whole.slice(0, -9), "x", event("2")], [event("2"), event("3"), "{}"]]));
  deepStrictEqual(await read(source), [[event("2")], [event("3")]]);
  deepStrictEqual([...source.drops!()].map(([reason, { records }]) => [reason, records]), [
    ["notAnEvent", 3],
    ["duplicate", 1],
  ]);
});

Deno.test("openKubernetesAuditSource() lets nobody hide an event behind the auditID of another", async () => {
  const at = (time: string, uri = "/a"): string => event("1", `,"requestURI":"${uri}","stageTimestamp":"${time}"`);
  const events = [at("10:00:00.000001Z"), at("10:00:00.000002Z"), at("10:00:00.000001Z", "/ab"), event("1")];
  deepStrictEqual((await read(open(inner([events])))).flat(), events);
});

Deno.test("openKubernetesAuditSource() keeps many events apart", async () => {
  const events = Array.from({ length: 50_000 }, (_, i) => event(String(i)));
  strictEqual((await read(open(inner([events]), { rememberedEvents: 1e6 }))).flat().length, events.length);
});

Deno.test("openKubernetesAuditSource() remembers so many events and no more", async () => {
  const ids = ["1", "2", "3", "4", "1", "4"];
  const events = ids.map((id) => event(id));
  deepStrictEqual((await read(open(inner(events.map((line) => [line]))))).flat(), events.slice(0, 5));
  deepStrictEqual((await read(open(inner([events]), { rememberedEvents: 0 }))).flat(), events);
});

Deno.test("openKubernetesAuditSource() takes a posted event for seen only once it is stored", async () => {
  const acknowledgements = { get: () => Promise.resolve(undefined), commit: () => {} };
  const refused: Position[] = [];
  const more = {
    replayable: false,
    acknowledgements,
    refuse: (position: Position): void => void refused.push(position),
  };
  const source = open(inner([[event("1")], [event("1")], [event("1")]], more));
  let turn = 0;
  const texts = await read(source, ({ position }) => {
    if (turn++ === 0) source.refuse!(position);
    source.acknowledgements!.commit("a", position);
  });
  deepStrictEqual(texts, [[event("1")], [event("1")], []]);
  deepStrictEqual(refused, [{ at: 0 }]);
});

Deno.test("eventsOfLists() takes lists apart and leaves single events alone", () => {
  const texts = (line: string): string[] => {
    const run = eventsOfLists(batchOfLines([line], origin));
    const text = (i: number): string => new TextDecoder().decode(run.bytes.subarray(run.bounds[i], run.bounds[i + 1]));
    return Array.from({ length: run.count }, (_, i) => text(2 * i));
  };
  deepStrictEqual(texts(`{"items":[{"a":"]"} , {"b":[1]}],"kind":"EventList"}`), [`{"a":"]"}`, `{"b":[1]}`]);
  deepStrictEqual(texts(`{"kind":"EventList","items":[]}`), []);
  deepStrictEqual(texts(`{"kind":"EventList","items":null}`), []);
  deepStrictEqual(texts(`{"kind":"EventList"}`), []);
  deepStrictEqual(texts(`{"kind":"Event","items":[1]}`), [`{"kind":"Event","items":[1]}`]);
});
