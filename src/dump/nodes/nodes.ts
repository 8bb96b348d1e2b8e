/**
 * Evidence of other machines: each makes a dump of its own, redacts it, and sends it; its files go below its folder here.
 * A machine that cannot be reached, hangs or lies costs its own folder and nothing else.
 */
import { errorText } from "../../pipeline/errors.ts";
import { ArtifactStore, type StoredArtifact, type StoreOptions } from "../artifact_store.ts";
import { keepContent } from "../kept_content.ts";
import { BundleError } from "../bundle_error.ts";
import type { Artifact } from "../collector.ts";
import type { HeldArtifact, HeldCollector, NodeEvidence } from "../evidence.ts";
import type { Machine } from "../machine.ts";
import { ageMagic } from "../opening/age_opening.ts";
import { ByteReader } from "../opening/byte_reader.ts";
import { gunzipStrict } from "../opening/gunzip.ts";
import { type FileTaker, inspectBundle, type Inspection } from "../opening/inspect.ts";
import { shownText } from "../opening/names.ts";
import { readTar } from "../opening/tar_reader.ts";
import { kindOfName, redactedNotes } from "../received.ts";
import type { CollectorReport, DumpReport } from "../report.ts";
import { WorkFullError } from "../work_file.ts";
import type { NodeAddress } from "./address.ts";
import { dumpOverHttp, type NodeHttpOptions } from "./http_node.ts";
import type { RemoteDump, RemoteWish } from "./remote.ts";
import { dumpOverSsh } from "./ssh_node.ts";

/** Which machines, and what with. */
export interface NodesOptions {
  readonly nodes: readonly NodeAddress[];
  readonly wish: RemoteWish;
  /** For each machine, with the transfer; milliseconds. */
  readonly deadlineMs: number;
  readonly machine: Machine;
  readonly http: NodeHttpOptions;
  /** The redactor makes sure once more: not every machine may have been told to redact. */
  readonly store: StoreOptions;
  /** Folder below `nodes/` for a name; redacted, safe. */
  idOf(name: string): string;
  /** A line for the person who waits: with real names. */
  note(text: string): void;
  readonly signal: AbortSignal;
}

/** One result per machine, in their order. @throws {WorkFullError} when there is no room */
export async function gatherNodes(options: NodesOptions): Promise<readonly NodeEvidence[]> {
  const ids = uniqueIds(options.nodes.map(({ name }) => options.idOf(name)));
  const results = new Array<NodeEvidence>(options.nodes.length);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < results.length; index = next++) {
      results[index] = await gatherNode(options.nodes[index]!, ids[index]!, options);
    }
  };
  await Promise.all(Array.from({ length: maxAtOnce }, work));
  const failed = results.filter(({ failure }) => failure !== undefined).length;
  if (failed > 0) options.note(`${failed} of ${results.length} machines sent nothing`);
  return results;
}

async function gatherNode(address: NodeAddress, id: string, options: NodesOptions): Promise<NodeEvidence> {
  const { wish, machine, http, note } = options;
  const start = new Date();
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.deadlineMs)]);
  const remote = address.kind === "ssh"
    ? dumpOverSsh(address, wish, machine, signal)
    : dumpOverHttp(address, wish, http, signal);
  const redact = (text: string): string =>
    options.store.redactor.redactText(text.split("\n").map(shownText).join("\n"));
  const taken = await takeBundle(remote, address, options, signal);
  if (taken.trouble !== undefined) note(`${address.name}: ${shownText(taken.trouble)}`);
  if (taken.artifacts.length === 0) {
    return { id, collectors: [], findings: [], failure: redact(taken.trouble ?? "it sent no evidence") };
  }
  const collectors = heldCollectors(taken, redact);
  const own: HeldCollector = {
    id: "node/transfer",
    summary: "the dump of this machine, on its way here",
    optional: false,
    status: taken.trouble === undefined ? "ok" : "error",
    missing: taken.trouble !== undefined,
    start,
    durationMs: Date.now() - start.getTime(),
    ...(taken.trouble === undefined ? {} : { reason: redact(taken.trouble) }),
    notes: [],
    artifacts: taken.artifacts.filter(({ path }) => !taken.claimed.has(path)),
  };
  return { id, collectors: [...collectors, own], findings: [] };
}

/** What came of a machine. */
interface Taken {
  readonly artifacts: readonly HeldArtifact[];
  /** Paths here by the paths in its report. */
  readonly paths: ReadonlyMap<string, string>;
  readonly report: DumpReport | undefined;
  /** Paths here that its collectors have. */
  readonly claimed: Set<string>;
  readonly trouble: string | undefined;
}

async function takeBundle(
  remote: RemoteDump,
  address: NodeAddress,
  options: NodesOptions,
  signal: AbortSignal,
): Promise<Taken> {
  const reader = new ByteReader(remote.content);
  const taker = new Taker(new ArtifactStore(options.store), `dump of ${address.name}`, signal);
  let inspection: Inspection | undefined;
  let broken: string | undefined;
  try {
    const head = await reader.readUpTo(ageMagic.length);
    const whole = startingWith(head, reader);
    if (new TextDecoder().decode(head) === ageMagic) await taker.takeSealed(whole, options.store);
    else if (head[0] === 0x1f && head[1] === 0x8b) {
      const limits = { maxBytes: maxNodeBytes, maxEntries: maxNodeEntries };
      const entries = () => readTar(gunzipStrict(whole), limits);
      inspection = await inspectBundle({ format: "plain", protection: "none", entries }, taker);
    } else if (head.length > 0) broken = "what it sent is no dump";
  } catch (error) {
    if (error instanceof WorkFullError) throw error;
    broken = error instanceof BundleError ? error.message.split("\n")[0]! : errorText(error);
  } finally {
    await reader.close();
  }
  const outcome = await remote.outcome();
  const { artifacts, paths } = taker;
  return {
    artifacts,
    paths,
    report: inspection?.report,
    claimed: new Set(),
    trouble: outcome ?? broken ?? inspection?.problems[0] ?? (artifacts.length === 0 ? "it sent nothing" : undefined),
  };
}

/** Puts the files below `nodes/` of another bundle into the store; of its own first pages only the report is of use. */
class Taker implements FileTaker {
  readonly artifacts: StoredOrDropped[] = [];
  readonly paths = new Map<string, string>();
  readonly #store: ArtifactStore;
  readonly #origin: string;
  readonly #signal: AbortSignal;

  constructor(store: ArtifactStore, origin: string, signal: AbortSignal) {
    this.#store = store;
    this.#origin = origin;
    this.#signal = signal;
  }

  folder(): void {}

  async file(segments: readonly string[], content: AsyncIterable<Uint8Array>, modified: Date): Promise<undefined> {
    const [, nodes, node, ...rest] = segments;
    if (nodes !== "nodes" || node === undefined || rest.length === 0) return;
    const path = rest.join("/");
    const artifact: Artifact = {
      path,
      kind: kindOfName(path),
      content,
      origin: this.#origin,
      taken: modified,
      ...(path.endsWith(".gz") ? { encoding: "gzip" } : {}),
    };
    const stored = await this.#store.store(artifact, this.#signal);
    this.artifacts.push(stored);
    this.paths.set(path, stored.path);
  }

  /** A sealed bundle is for whoever has its key: it is kept as it is, and opened by them. */
  async takeSealed(content: AsyncIterable<Uint8Array>, options: StoreOptions): Promise<void> {
    const kept = await keepContent(content, false, options);
    const sealed: StoredArtifact = {
      path: this.#store.claimPath("bundle.tar.gz.age"),
      kind: "binary",
      origin: options.redactor.redactText(this.#origin),
      bytesIn: kept.sizeBytes,
      redactions: [],
      content: kept,
    };
    this.artifacts.push(sealed);
  }
}

type StoredOrDropped = Awaited<ReturnType<ArtifactStore["store"]>>;

/** The collectors of the other machine's own report, with what came of their files. */
function heldCollectors(
  { report, artifacts, paths, claimed }: Taken,
  redact: (text: string) => string,
): readonly HeldCollector[] {
  const byPath = new Map(artifacts.map((artifact) => [artifact.path, artifact]));
  const take = (collector: CollectorReport): readonly HeldArtifact[] =>
    collector.artifacts.flatMap(({ path, trimmed }) => {
      const artifact = byPath.get(paths.get(path) ?? "");
      if (artifact === undefined || claimed.has(artifact.path)) return [];
      claimed.add(artifact.path);
      return [trimmed === undefined || "dropped" in artifact ? artifact : { ...artifact, trimmed }];
    });
  return (report?.nodes ?? []).flatMap(({ collectors }) => collectors).map((collector) => ({
    id: redact(collector.id),
    summary: redact(collector.summary),
    optional: collector.optional,
    status: collector.status,
    missing: collector.missing,
    start: new Date(collector.start),
    durationMs: collector.durationMs,
    ...(collector.reason === undefined ? {} : { reason: redact(collector.reason) }),
    notes: redactedNotes(collector.notes, redact),
    artifacts: take(collector),
  }));
}

async function* startingWith(head: Uint8Array, reader: ByteReader): AsyncGenerator<Uint8Array> {
  yield head;
  yield* reader.rest();
}

/** Two names may have one pseudonym, or differ only in what a folder's name cannot hold. */
function uniqueIds(ids: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  return ids.map((id) => {
    let unique = id;
    for (let n = 2; seen.has(unique.toLowerCase()); n++) unique = `${id}-${n}`;
    seen.add(unique.toLowerCase());
    return unique;
  });
}

const maxAtOnce = 4;
const maxNodeBytes = 4 * 1024 ** 3;
const maxNodeEntries = 100_000;
