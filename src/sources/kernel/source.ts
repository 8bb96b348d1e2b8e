/**
 * The `kernel` source: first what the boot before left in pstore, once, then `/dev/kmsg` from its oldest record on.
 *
 * ```text
 *   position   kmsg: {boot, sequence}      pstore:NAME: {sizeBytes, hash}
 *   records    … kernel: text [{SUBSYSTEM=usb DEVICE=+usb:1-1}]        … pstore: dmesg-ramoops-0: text
 * ```
 */
import { pause } from "../../pipeline/backoff.ts";
import { type Batch, batchOfLines, type Origin } from "../../pipeline/batch.ts";
import type { Position, PositionValue } from "../../pipeline/checkpoint.ts";
import { DropCounter } from "../../pipeline/drops.ts";
import type { BatchLimits, Source } from "../../pipeline/source.ts";
import { BootClock, readBootId } from "../../system/boot.ts";
import { openLog } from "../../system/log.ts";
import { type KernelDevice, openKernelDevice } from "./device.ts";
import { isCovered, type PstoreFile, pstoreLines, readPstore, staleKeys } from "./pstore.ts";
import { PstoreRemover } from "./pstore_remover.ts";
import { RingReader } from "./ring.ts";

/** Where to read, and as whom. */
export interface KernelSourceOptions {
  readonly id: string;
  readonly host: string;
  /** End when there is nothing more to read. */
  readonly once: boolean;
  /** Appends the dictionary of a record, ` {SUBSYSTEM=usb DEVICE=+usb:1-1}`, to its text. Default false. */
  readonly fields?: boolean;
  /** Default `/dev/kmsg`. */
  readonly device?: string;
  /** Folder of the boot before; default `/sys/fs/pstore`. */
  readonly pstore?: string;
  /** Removes files of pstore that all of `savedPositions` cover. Default false. */
  readonly removePstore?: boolean;
  /**
   * The committed position of each sink, asked while files of pstore wait for their removal. A source is not told of
   * commits; without this, nothing is removed.
   */
  readonly savedPositions?: () => Promise<readonly (Position | undefined)[]>;
  /** Instead of `device`. */
  readonly openDevice?: () => KernelDevice;
}

/** Opens the source. Reading fails where the device cannot be opened (it asks for CAP_SYSLOG). */
export function openKernelSource(options: KernelSourceOptions): Source {
  const said = new Set<string>();
  const dropped = new DropCounter();
  const remover = new PstoreRemover(options.removePstore === true ? options.savedPositions : undefined);
  return {
    id: options.id,
    replayable: true,
    read: (from, limits, signal) => readKernel({ ...options, dropped }, remover, said, from, limits, signal),
    drops: () => dropped.drops,
  };
}

interface KernelReading extends KernelSourceOptions {
  readonly dropped: DropCounter;
}

async function* readKernel(
  options: KernelReading,
  remover: PstoreRemover,
  said: Set<string>,
  from: Position | undefined,
  limits: BatchLimits,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const device = (options.openDevice ?? (() => openKernelDevice(options.device ?? "/dev/kmsg")))();
  try {
    const { files, complaints } = readPstore(options.pstore ?? "/sys/fs/pstore");
    sayOnce(complaints, said);
    remover.watch(files);
    for (const batch of pstoreBatches(options, files, from, limits)) {
      if (signal.aborted) return;
      yield batch;
    }
    const ring = new RingReader(
      {
        id: options.id,
        host: options.host,
        fields: options.fields ?? false,
        bootId: readBootId(),
        clock: new BootClock(),
        onGap: (missing) => {
          options.dropped.add("kernelOverrun", missing, 0);
          log.warning(`${missing} kernel records were overwritten before they could be read`);
        },
      },
      device,
      from,
    );
    for (let pollMs = minPollMs; !signal.aborted;) {
      await remover.look();
      const batch = ring.next(limits);
      if (batch !== undefined) {
        pollMs = minPollMs;
        yield batch;
      } else if (options.once) return;
      else {
        await pause(pollMs, signal);
        pollMs = Math.min(2 * pollMs, maxPollMs);
      }
    }
  } finally {
    device.close();
  }
}

/** The files that the position does not cover. The last batch of a file carries its mark, and what is to be forgotten. */
function* pstoreBatches(
  options: KernelSourceOptions,
  files: readonly PstoreFile[],
  from: Position | undefined,
  limits: BatchLimits,
): Generator<Batch> {
  const forgotten: Record<string, PositionValue> = {};
  for (const key of staleKeys(files, from)) forgotten[key] = null;
  if (Object.keys(forgotten).length > 0) yield batchOfLines([], originOf(options), forgotten);
  for (const file of files) {
    if (isCovered(file, from)) continue;
    log.info(`"${file.path}" holds ${file.lines.length} lines of the boot before`);
    const pieces = piecesOf(pstoreLines(file, options.host), limits);
    for (const [i, lines] of pieces.entries()) {
      const position = i === pieces.length - 1 ? { [file.key]: file.mark } : {};
      yield batchOfLines(lines, originOf(options), position);
    }
  }
}

/** Lines in runs within the limits; one empty run for none, so that an empty file has a batch for its mark. */
function piecesOf(lines: readonly string[], { maxRecords, maxBytes }: BatchLimits): readonly (readonly string[])[] {
  const pieces: string[][] = [[]];
  let bytes = 0;
  for (const line of lines) {
    const piece = pieces.at(-1)!;
    if (piece.length > 0 && (piece.length >= maxRecords || bytes + line.length > maxBytes)) {
      pieces.push([line]);
      bytes = line.length;
    } else {
      piece.push(line);
      bytes += line.length;
    }
  }
  return pieces;
}

function originOf({ id, host }: KernelSourceOptions): Origin {
  return { source: id, host, program: "pstore", priority: 6, form: "syslog", readAtMs: Date.now() };
}

function sayOnce(sentences: readonly string[], said: Set<string>): void {
  for (const sentence of sentences) {
    if (!said.has(sentence)) log.warning(sentence);
    said.add(sentence);
  }
}

/** Kernel records come in bursts: the next one is looked for soon, a quiet ring once a second. */
const minPollMs = 15;
const maxPollMs = 1_000;
const log = openLog("kernel");
