/**
 * Events of the audit log of a Kubernetes API server (`audit.k8s.io/v1`, kind `Event`), one JSON object each, looked at
 * as bytes; and the lists of them that its webhook backend posts (kind `EventList`). Pure.
 */
import { MemberFinder, skipSpace, skipValue } from "./json_scan.ts";
import type { LineRun } from "./lines.ts";

/** How much of a request an event holds, least first. */
export const auditLevels = ["Metadata", "Request", "RequestResponse"] as const;

/** When in the life of a request an event was made. */
export const auditStages = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"] as const;

/** Resources whose bodies hold secrets by their nature; `serviceaccounts/token` answers with a token. */
export const secretResources = ["secrets", "tokenreviews", "serviceaccounts/token"] as const;

/** Two numbers of 32 bits that nobody else knows: with them nobody can make two events that share a key. */
export interface KeySeed {
  readonly a: number;
  readonly b: number;
}

/** One event, by the places of its members; moved from record to record with {@linkcode open}. */
export class AuditEventView {
  readonly #finder = new MemberFinder(paths);
  readonly #resources: ReadonlySet<string>;
  readonly #kinds: ReadonlySet<string>;
  #bytes: Uint8Array = new Uint8Array(0);
  #length = 0;

  /** @param redacted resources (`RESOURCE` or `RESOURCE/SUBRESOURCE`) whose bodies are hidden; `*` is every one */
  constructor(redacted: readonly string[]) {
    this.#resources = new Set(redacted);
    this.#kinds = new Set(redacted.flatMap((resource) => kindsOf[resource] ?? []));
  }

  /** Whether the record is a whole event. */
  open(bytes: Uint8Array, start: number, end: number): boolean {
    this.#bytes = bytes;
    this.#length = end - start;
    return this.#finder.find(bytes, start, end) && this.#finder.starts[at.auditID]! >= 0 &&
      this.#finder.starts[at.stage]! >= 0;
  }

  /** `Metadata`, `Request`, `RequestResponse`; undefined where the event names none. */
  get level(): string | undefined {
    return this.#finder.text(at.level);
  }

  get stage(): string | undefined {
    return this.#finder.text(at.stage);
  }

  /**
   * What no two events share, as a number of 52 bits: auditID and stage, and against callers who choose the ID of another
   * request (header `Audit-ID`) to hide theirs, the time of the stage and the event's length, too.
   */
  key({ a, b }: KeySeed): number {
    const { starts, ends } = this.#finder;
    for (const part of [at.auditID, at.stage, at.stageTimestamp]) {
      if (starts[part]! < 0) continue;
      for (let i = starts[part]!; i < ends[part]!; i++) {
        a = Math.imul(a ^ this.#bytes[i]!, 0x01000193);
        b = Math.imul(b ^ this.#bytes[i]! ^ (a >>> 15), 0x85ebca6b);
      }
    }
    a = Math.imul(a ^ this.#length, 0xc2b2ae35);
    b = Math.imul(b ^ a ^ (a >>> 13), 0x01000193);
    return ((a ^ (b >>> 16)) >>> 12) * 2 ** 32 + (b >>> 0);
  }

  /**
   * Start and end of each body that must not leave, in order; none for most events. What a body calls itself counts as
   * much as the resource that was asked for; where none is named, nobody can tell, and all are hidden.
   */
  hiddenBodies(): readonly (readonly [number, number])[] {
    const { starts, ends } = this.#finder;
    if (starts[at.requestObject]! < 0 && starts[at.responseObject]! < 0) return none;
    const all = this.#resources.has("*") || this.#resources.has(this.#resource()) ||
      this.#resources.size > 0 && starts[at.resource]! < 0;
    const hidden: [number, number][] = [];
    for (const [body, kind] of bodies) {
      if (starts[body]! < 0) continue;
      if (all || this.#kinds.has(this.#finder.text(kind) ?? "")) hidden.push([starts[body]!, ends[body]!]);
    }
    return hidden.sort(([a], [b]) => a - b);
  }

  #resource(): string {
    const resource = this.#finder.text(at.resource) ?? "";
    const subresource = this.#finder.text(at.subresource) ?? "";
    // All that is below a resource is as secret as the resource itself.
    return subresource === "" || this.#resources.has(resource) ? resource : `${resource}/${subresource}`;
  }
}

/**
 * The events of every `EventList` in `run`, one record each on the same bytes; a record that is no list stays as it is.
 * @throws when a list is torn: then nothing of it may be taken for stored
 */
export function eventsOfLists(run: LineRun): LineRun {
  const finder = new MemberFinder([["kind"], ["items"]]);
  const bounds: number[] = [];
  for (let i = 0; i < run.count; i++) {
    const [start, end] = [run.bounds[2 * i]!, run.bounds[2 * i + 1]!];
    if (finder.find(run.bytes, start, end) && finder.is(0, eventList)) {
      if (finder.starts[1]! >= 0) eachItem(run.bytes, finder.starts[1]!, finder.ends[1]!, bounds);
    } else bounds.push(start, end);
  }
  return { bytes: run.bytes, bounds: Uint32Array.from(bounds), count: bounds.length / 2 };
}

function eachItem(bytes: Uint8Array, start: number, end: number, bounds: number[]): void {
  if (bytes[start] !== openBracket) return; // "items": null is an empty list, as Go writes it
  let from = skipSpace(bytes, start + 1, end);
  while (from < end && bytes[from] !== closeBracket) {
    const stop = skipValue(bytes, from, end);
    if (stop < 0) throw new Error("Cannot read an EventList: its items are torn");
    bounds.push(from, stop);
    from = skipSpace(bytes, stop, end);
    if (bytes[from] === comma) from = skipSpace(bytes, from + 1, end);
  }
}

/** What stands in place of a body: an object, so that whoever indexes bodies still finds one. */
export const hiddenBody: Uint8Array = new TextEncoder().encode(`{"redacted":true}`);

const at = {
  level: 0,
  stage: 1,
  auditID: 2,
  resource: 3,
  subresource: 4,
  requestObject: 5,
  responseObject: 6,
  requestKind: 7,
  responseKind: 8,
  stageTimestamp: 9,
} as const;
const paths: readonly (readonly string[])[] = [
  ["level"],
  ["stage"],
  ["auditID"],
  ["objectRef", "resource"],
  ["objectRef", "subresource"],
  ["requestObject"],
  ["responseObject"],
  ["requestObject", "kind"],
  ["responseObject", "kind"],
  ["stageTimestamp"],
];
const bodies = [[at.requestObject, at.requestKind], [at.responseObject, at.responseKind]] as const;
const kindsOf: Readonly<Record<string, readonly string[]>> = {
  secrets: ["Secret", "SecretList"],
  configmaps: ["ConfigMap", "ConfigMapList"],
  tokenreviews: ["TokenReview"],
  "serviceaccounts/token": ["TokenRequest"],
};
const none: readonly (readonly [number, number])[] = [];
const eventList = new TextEncoder().encode("EventList");
const openBracket = 91;
const closeBracket = 93;
const comma = 44;
