/**
 * The `kubernetesAudit` source: events of an API server's audit log. It reads nothing itself: its events come from the
 * log (another source follows it) or are posted by the webhook backend. What it adds is one look at each event:
 *
 * ```text
 *   inner batch ─► whole event? ─► level, stage? ─► came before? ─► bodies of secrets hidden ─► batch, same position
 *                  no: dropped,     no: left out    yes: dropped,
 *                  counted                          counted
 * ```
 *
 * What is no whole event is not let through: a torn one could hold half a secret, and nobody could tell.
 */
import { AuditEventView, hiddenBody } from "../../formats/kubernetes_audit.ts";
import type { Batch } from "../../pipeline/batch.ts";
import { BufferPool } from "../../pipeline/buffer_pool.ts";
import type { Checkpoints, Position } from "../../pipeline/checkpoint.ts";
import { DropCounter, type Drops } from "../../pipeline/drops.ts";
import type { BatchLimits, Source } from "../../pipeline/source.ts";
import { RecordWriter } from "../../rules/record_writer.ts";
import { SeenEvents } from "./seen.ts";

/** Where events come from, and which of them are wanted. */
export interface KubernetesAuditOptions {
  readonly id: string;
  /** Gives one event per record. Disposed with this source. */
  readonly inner: Source;
  /** Levels that are let through; none: all. */
  readonly levels: readonly string[];
  /** Stages that are let through; none: all. */
  readonly stages: readonly string[];
  /** Resources whose bodies are hidden, as {@linkcode AuditEventView} takes them. */
  readonly redactBodies: readonly string[];
  /** Events that are remembered to know one that comes again; 0: none. */
  readonly rememberedEvents: number;
}

/** Opens the source over `options.inner`; it can be read again where that one can. */
export function openKubernetesAuditSource(options: KubernetesAuditOptions): Source {
  const { inner } = options;
  return inner.acknowledgements === undefined ? openReplayable(options) : openPosted(options, inner.acknowledgements);
}

/** Over a log: what is read again after a failure begins with an empty memory, at the committed position. */
function openReplayable(options: KubernetesAuditOptions): Source {
  const { id, inner } = options;
  const counter = new DropCounter();
  return {
    id,
    replayable: inner.replayable,
    read: (from, limits, signal) => {
      const seen = new SeenEvents(options.rememberedEvents);
      return readThrough(inner, new Filter(options, seen, counter, (_, key) => seen.add(key)), from, limits, signal);
    },
    drops: () => allDrops(inner, counter),
    [Symbol.asyncDispose]: async () => await inner[Symbol.asyncDispose]?.(),
  };
}

/** Over a webhook: an event counts as seen once it is stored, since its sender repeats what was not. */
function openPosted(options: KubernetesAuditOptions, acknowledgements: Checkpoints): Source {
  const { id, inner } = options;
  const counter = new DropCounter();
  const seen = new SeenEvents(options.rememberedEvents);
  /** Keys of the batches on their way, by their positions. */
  const open = new Map<Position, number[]>();
  const note = (position: Position, key: number): void => {
    const keys = open.get(position);
    if (keys === undefined) open.set(position, [key]);
    else keys.push(key);
  };
  return {
    id,
    replayable: inner.replayable,
    acknowledgements: {
      get: (name) => acknowledgements.get(name),
      commit: (name, position) => {
        for (const key of open.get(position) ?? []) seen.add(key);
        open.delete(position);
        return acknowledgements.commit(name, position);
      },
    },
    ...(inner.spooled === undefined ? {} : { spooled: inner.spooled }),
    refuse: (position) => {
      open.delete(position);
      inner.refuse?.(position);
    },
    read: (from, limits, signal) => readThrough(inner, new Filter(options, seen, counter, note), from, limits, signal),
    drops: () => allDrops(inner, counter),
    [Symbol.asyncDispose]: async () => await inner[Symbol.asyncDispose]?.(),
  };
}

async function* readThrough(
  inner: Source,
  filter: Filter,
  from: Position | undefined,
  limits: BatchLimits,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  for await (const batch of inner.read(from, limits, signal)) yield filter.apply(batch);
}

/** What is done with each batch. */
class Filter {
  readonly #view: AuditEventView;
  readonly #levels: ReadonlySet<string> | undefined;
  readonly #stages: ReadonlySet<string> | undefined;
  readonly #remembers: boolean;
  readonly #seen: SeenEvents;
  readonly #counter: DropCounter;
  readonly #note: (position: Position, key: number) => void;
  readonly #pool = new BufferPool(8 * 1024 * 1024);

  constructor(
    { levels, stages, redactBodies, rememberedEvents }: KubernetesAuditOptions,
    seen: SeenEvents,
    counter: DropCounter,
    note: (position: Position, key: number) => void,
  ) {
    this.#view = new AuditEventView(redactBodies);
    this.#levels = levels.length === 0 ? undefined : new Set(levels);
    this.#stages = stages.length === 0 ? undefined : new Set(stages);
    this.#remembers = rememberedEvents > 0;
    this.#seen = seen;
    this.#counter = counter;
    this.#note = note;
  }

  /** The batch itself where nothing is taken from it, else one in its place. */
  apply(batch: Batch): Batch {
    const { bytes, bounds } = batch;
    let writer: RecordWriter | undefined;
    for (let i = 0; i < batch.count; i++) {
      const [start, end] = [bounds[2 * i]!, bounds[2 * i + 1]!];
      const wanted = this.#wants(batch, start, end);
      const hidden = wanted ? this.#view.hiddenBodies() : [];
      if (writer === undefined) {
        if (wanted && hidden.length === 0) continue;
        writer = this.#copyOf(batch, i);
      }
      if (!wanted) continue;
      let from = start;
      for (const [bodyStart, bodyEnd] of hidden) {
        writer.append(bytes, from, bodyStart);
        writer.append(hiddenBody);
        from = bodyEnd;
      }
      writer.append(bytes, from, end);
      writer.endRecord();
    }
    return writer === undefined ? batch : this.#finished(writer, batch);
  }

  /** The first `count` records of a batch, to go on with. */
  #copyOf({ bytes, bounds, count: all }: Batch, count: number): RecordWriter {
    const sizeBytes = bounds[2 * all - 1]! - bounds[0]! + 256;
    const writer = new RecordWriter(sizeBytes, all, this.#pool.take(sizeBytes));
    for (let i = 0; i < count; i++) {
      writer.append(bytes, bounds[2 * i], bounds[2 * i + 1]);
      writer.endRecord();
    }
    return writer;
  }

  #finished(writer: RecordWriter, batch: Batch): Batch {
    const written = writer.finish(batch);
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      this.#pool.give(written.bytes);
      written.release();
    };
    return { ...written, release };
  }

  #wants({ bytes, position }: Batch, start: number, end: number): boolean {
    const view = this.#view;
    if (!view.open(bytes, start, end)) {
      this.#counter.add("notAnEvent", 1, end - start);
      return false;
    }
    if (this.#levels !== undefined && !this.#levels.has(view.level ?? "")) return false;
    if (this.#stages !== undefined && !this.#stages.has(view.stage ?? "")) return false;
    if (!this.#remembers) return true;
    const key = view.key(seed);
    if (this.#seen.has(key)) {
      this.#counter.add("duplicate", 1, end - start);
      return false;
    }
    this.#note(position, key);
    return true;
  }
}

function allDrops(inner: Source, counter: DropCounter): Drops {
  return new Map([...inner.drops?.() ?? [], ...counter.drops]);
}

const [a = 1, b = 2] = crypto.getRandomValues(new Uint32Array(2));
const seed = { a, b };
