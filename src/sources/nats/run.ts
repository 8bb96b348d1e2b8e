/** Gathers messages to batches: what is there now, up to the limits, of one form. */
import type { JsMsg } from "@nats-io/jetstream";
import type { Batch, Origin } from "../../pipeline/batch.ts";
import type { BatchLimits } from "../../pipeline/source.ts";

/** Messages that make one batch. */
export interface Run {
  readonly messages: readonly JsMsg[];
  readonly form: "plain" | "syslog";
  /** Their records, without a position. */
  batch(origin: Origin): Omit<Batch, "position">;
}

/** Yields runs; a run ends at the limits, where the form changes, and where nothing more has come yet. */
export async function* gatherRun(
  messages: AsyncIterable<JsMsg>,
  { maxRecords, maxBytes }: BatchLimits,
  once: boolean,
): AsyncGenerator<Run> {
  const iterator = messages[Symbol.asyncIterator]();
  let next = iterator.next();
  let run: JsMsg[] = [];
  let bytes = 0;
  try {
    for (;;) {
      // Nothing there at once: what we have goes on its way.
      const result = run.length === 0 ? await next : await Promise.race([next, idle()]);
      if (result === undefined) {
        yield runOf(run);
        [run, bytes] = [[], 0];
        continue;
      }
      if (result.done === true) break;
      next = iterator.next();
      const message = result.value;
      const size = message.data.length;
      if (
        run.length > 0 && (run.length >= maxRecords || bytes + size > maxBytes || formOf(message) !== formOf(run[0]!))
      ) {
        yield runOf(run);
        [run, bytes] = [[], 0];
      }
      run.push(message);
      bytes += size;
      // The server says how many are left: the last one of a single reading need not wait for more.
      if (once && message.info.pending === 0) break;
    }
    if (run.length > 0) yield runOf(run);
  } finally {
    await iterator.return?.();
  }
}

/** Undefined after what is already here has had its turn. */
function idle(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, 0, undefined));
}

function formOf({ data }: JsMsg): "plain" | "syslog" {
  return data[0] === lessThan ? "syslog" : "plain";
}

function runOf(messages: readonly JsMsg[]): Run {
  return { messages, form: formOf(messages[0]!), batch: (origin) => batchOf(messages, origin) };
}

function batchOf(messages: readonly JsMsg[], origin: Origin): Omit<Batch, "position"> {
  const bytes = new Uint8Array(messages.reduce((sum, { data }) => sum + data.length + 1, 0));
  const bounds = new Uint32Array(2 * messages.length);
  let at = 0;
  let packed = true;
  messages.forEach(({ data }, i) => {
    bounds[2 * i] = at;
    bytes.set(data, at);
    at += data.length;
    bounds[2 * i + 1] = at;
    bytes[at++] = lineFeed;
    packed &&= !data.includes(lineFeed);
  });
  const [{ info }] = messages as [JsMsg];
  const places = {
    thing: `${info.stream}`,
    numberOf: (index: number): number | undefined => messages[index]?.info.streamSequence,
  };
  return { bytes, bounds, count: messages.length, packed, origin, places, release: () => {} };
}

const lessThan = 0x3c;
const lineFeed = 0x0a;
