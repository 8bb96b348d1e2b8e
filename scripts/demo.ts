/**
 * `deno task demo [--seconds N]`: the main job on this machine's real logs, on loopback, with everything embedded.
 *
 * ```text
 *   a program ─► agent tap ─► socket ─┐
 *   /var/log/*.log ───────────────────┼─► agent ship ── RELP, mutual TLS ──► agent collect ─► files
 *   /dev/kmsg ────────────────────────┘
 * ```
 */
import { join } from "node:path";
import { makeDemoPki } from "./demo_pki.ts";

const main = new URL("../main.ts", import.meta.url).pathname;
const linesShown = 30;

const seconds = secondsFrom(Deno.args);
const folder = Deno.makeTempDirSync({ prefix: "agent-demo-" });
const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(name, () => stop.abort());
if (seconds !== undefined) setTimeout(() => stop.abort(), seconds * 1_000);

let failed = false;
try {
  failed = !await runDemo(folder, stop.signal);
} finally {
  Deno.removeSync(folder, { recursive: true });
}
Deno.exit(failed ? 1 : 0);

async function runDemo(folder: string, signal: AbortSignal): Promise<boolean> {
  const host = Deno.hostname().toLowerCase().replaceAll(/[^a-z0-9.-]/g, "-");
  await makeDemoPki(folder, host);
  const port = freePort();
  const file = (name: string): string => join(folder, name);
  say(
    `collector: agent collect --listen relps://127.0.0.1:${port} --to ${
      file("collected")
    } (client certificates demanded)`,
  );
  const collector = start("collect", [
    "--listen",
    `relps://127.0.0.1:${port}`,
    "--to",
    file("collected"),
    "--print",
    ...pair("server", file),
  ], "null");
  const sources = ["tap:" + file("tap.sock"), "file:/var/log/*.log", ...(canReadKernel() ? ["kernel:"] : [])];
  say(`shipper:   agent ship ${sources.map((source) => `--from ${source}`).join(" ")} --to relps://127.0.0.1:${port}`);
  const target = ["--to", `relps://127.0.0.1:${port}`, "--permitted-peer", "localhost", "--state", file("state")];
  const shipper = start("ship", [
    ...sources.flatMap((source) => ["--from", source]),
    ...target,
    ...pair("client", file),
  ], "null");
  say(`tap:       a program | agent tap --socket ${file("tap.sock")}\n`);
  const tap = start("tap", ["--socket", file("tap.sock")], "piped");
  const feeding = feed(tap, signal);
  const draining = tap.stdout.pipeTo(new WritableStream());
  const received = await show(collector, signal);
  await feeding;
  await tap.stdin.close().catch(() => {});
  for (const child of [tap, shipper, collector]) await end(child);
  await draining.catch(() => {});
  report(file("collected"), received);
  return received > 0;
}

/** The certificate options of one end. */
function pair(name: string, file: (name: string) => string): readonly string[] {
  return ["--ca", file("ca.crt"), "--cert", file(`${name}.crt`), "--key", file(`${name}.key`)];
}

function start(command: string, words: readonly string[], stdin: "piped" | "null"): Deno.ChildProcess {
  const args = ["run", "-A", "--quiet", main, command, "--log-level", "warning", ...words];
  return new Deno.Command(Deno.execPath(), { args, stdin, stdout: "piped", stderr: "inherit" }).spawn();
}

/** A small program that logs: the load of this machine, once a second, into the tap. */
async function feed(tap: Deno.ChildProcess, signal: AbortSignal): Promise<void> {
  const writer = tap.stdin.getWriter();
  try {
    for (let i = 1; !signal.aborted; i++) {
      await writer.write(
        new TextEncoder().encode(`demo line ${i}: load ${Deno.loadavg().map((load) => load.toFixed(2)).join(" ")}\n`),
      );
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1_000);
        signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
      });
    }
  } catch {
    // The tap went first; its own words are on stderr.
  } finally {
    writer.releaseLock();
  }
}

/** Shows what the collector prints: the first lines whole, then a count per second. Returns the count. */
async function show(collector: Deno.ChildProcess, signal: AbortSignal): Promise<number> {
  const reader = collector.stdout.pipeThrough(new TextDecoderStream()).getReader();
  signal.addEventListener("abort", () => reader.cancel().catch(() => {}), { once: true });
  let received = 0;
  let shownAtMs = performance.now();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return received;
    const lines = (rest + value).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      received++;
      if (received <= linesShown || line.includes("demo line")) say(line.slice(0, 160));
      else if (performance.now() - shownAtMs > 1_000) {
        shownAtMs = performance.now();
        say(`… ${received} records received so far`);
      }
    }
  }
}

async function end(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGTERM");
  } catch {
    // It has ended already.
  }
  await child.status;
}

function report(collected: string, received: number): void {
  say(`\n${received} records came over RELP with mutual TLS and were on disk before they were acknowledged:`);
  for (const { name: host } of Deno.readDirSync(collected)) {
    for (const { name } of Deno.readDirSync(join(collected, host))) {
      const bytes = Deno.statSync(join(collected, host, name)).size;
      say(`  ${host}/${name}  ${bytes} bytes`);
    }
  }
}

function canReadKernel(): boolean {
  try {
    Deno.openSync("/dev/kmsg").close();
    return true;
  } catch {
    say("skipped: /dev/kmsg cannot be read by this user");
    return false;
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

function secondsFrom(words: readonly string[]): number | undefined {
  const at = words.indexOf("--seconds");
  if (at < 0) return undefined;
  const seconds = Number(words[at + 1]);
  if (Number.isFinite(seconds) && seconds > 0) return seconds;
  say("usage: deno task demo [--seconds N]");
  Deno.exit(2);
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
}
