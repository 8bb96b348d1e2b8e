/** One run of `journalctl`: its output as it is asked for, what it complains about, and its end. */
import { errorText } from "../../pipeline/errors.ts";

/** A run. Dispose it: it is ended with everything it started, and waited for. */
export class JournalctlRun implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #output: ReadableStreamDefaultReader<Uint8Array>;
  readonly #complaining: Promise<void>;
  #complaint = "";
  #running = true;

  /**
   * Starts `program`.
   * @param complain told of every line on stderr, as it comes
   * @throws when the program cannot be started; the text says what to do
   */
  constructor(program: string, args: readonly string[], complain: (line: string) => void) {
    try {
      this.#child = new Deno.Command(program, {
        args: [...args],
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
        env: { SYSTEMD_COLORS: "0", SYSTEMD_LOG_LEVEL: "notice" },
        detached: true, // its own process group: ended with everything it starts, and no target of a terminal's Ctrl-C
      }).spawn();
    } catch (error) {
      throw cannotStart(program, error);
    }
    this.#child.status.then(() => this.#running = false);
    this.#output = this.#child.stdout.getReader();
    this.#complaining = this.#gather(complain);
  }

  /** The next bytes, of at most 64 KiB or so; undefined at the end. */
  async read(): Promise<Uint8Array | undefined> {
    return (await this.#output.read()).value;
  }

  /** Ends it at once, its whole process group; `read` then gives what is left, and undefined. */
  kill(): void {
    if (!this.#running) return;
    try {
      Deno.kill(-this.#child.pid, "SIGKILL"); // it only reads: nothing can be left half done
    } catch {
      // It has just ended by itself.
    }
  }

  /** Waits for its end. `complaint`: the last 2 KiB of stderr, trimmed. */
  async ended(): Promise<{ readonly code: number; readonly complaint: string }> {
    const { code } = await this.#child.status;
    await this.#complaining;
    return { code, complaint: this.#complaint.trim() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.#output.cancel();
    await this.ended();
  }

  async #gather(complain: (line: string) => void): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#complaint = (this.#complaint + text).slice(-maxComplaintChars);
      const lines = (rest + text).split("\n");
      rest = lines.pop()!.slice(-maxComplaintChars);
      lines.filter((line) => line.trim() !== "").forEach(complain);
    }
  }
}

function cannotStart(program: string, error: unknown): Error {
  const state = error instanceof Deno.errors.NotFound ? "there is no such program" : errorText(error);
  return new Error(
    `Cannot read the journal with "${program}": ${state}\n` +
      "Try: install systemd's journalctl; on a machine without systemd use the sources file, kernel or syslog",
    { cause: error },
  );
}

const maxComplaintChars = 2_048;
