/**
 * The file source where a watched path is a FIFO by now. Opened, it blocks the whole process until somebody writes to it; and
 * the runtime's one thread for watching opens what it hears of, so that nothing may be watched in this process afterwards.
 */
import { runProgram } from "../peers/process.ts";
import { replacedCase } from "../peers/replaced_path.ts";

// A watcher that a FIFO may hold up is left to itself; a writer lets the runtime's thread go, or the test could not end.
replacedCase(
  "a FIFO",
  (path) => runProgram("mkfifo", [path]),
  { sanitizeResources: false, sanitizeOps: false },
  (path) => {
    Deno.openSync(path, { read: true, write: true });
  },
);
