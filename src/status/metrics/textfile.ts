/** The metrics as a file for the textfile collector of node_exporter, where nothing may listen. */
import { errorText } from "../../pipeline/errors.ts";
import { openLog } from "../../system/log.ts";
import type { AgentFeed } from "../state.ts";
import { writeTextfile } from "./format.ts";

/** Something that writes until it is disposed, and then a last time. */
export interface TextfileWriter extends AsyncDisposable {
  /** Writes now; a failure is said in the log, once until it works again. */
  write(): Promise<void>;
}

/** Writes `path` now and every `everyMs` from now on. */
export function openTextfile(path: string, feed: AgentFeed, everyMs = defaultEveryMs): TextfileWriter {
  let failing = false;
  let writing: Promise<void> | undefined;
  const writeOnce = async (): Promise<void> => {
    try {
      await writeTextfile(path, feed.state());
      if (failing) log.info(`"${path}" can be written again`);
      failing = false;
    } catch (error) {
      if (!failing) log.error(`Cannot write metrics to "${path}": ${errorText(error)}; tried again until it works`);
      failing = true;
    }
  };
  const write = (): Promise<void> => writing ??= writeOnce().finally(() => writing = undefined);
  const timer = setInterval(() => void write(), everyMs);
  void write();
  return {
    write,
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await writing;
      await write();
    },
  };
}

const defaultEveryMs = 15_000;
const log = openLog("status");
