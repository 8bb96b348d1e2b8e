/** The process: arguments, signals and the exit code. Everything else is below `src/`. */
import { runCommandLine } from "./src/cli.ts";

// A worker of ours is this module again: see src/commands/threads.ts.
if ("WorkerGlobalScope" in globalThis) await (await import("./src/commands/threads.ts")).runThread(self.name);
else Deno.exit(await runProcess());

async function runProcess(): Promise<number> {
  const stop = new AbortController();
  let signalled: "SIGINT" | "SIGTERM" | undefined;
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => {
      if (signalled !== undefined) Deno.exit(codeOf(signalled)); // the second one means: leave now
      signalled = name;
      stop.abort(name);
    });
  }
  const code = await runCommandLine(Deno.args, {
    signal: stop.signal,
    onSignal: (name, handler) => Deno.addSignalListener(name, handler),
    print: (text) => {
      const bytes = new TextEncoder().encode(text);
      for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
    },
  });
  return signalled !== undefined && code === 0 ? codeOf(signalled) : code;
}

function codeOf(name: "SIGINT" | "SIGTERM"): number {
  return name === "SIGINT" ? 130 : 143;
}
