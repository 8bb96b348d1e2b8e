/** `agent dump` in front of a person: what is drawn, asked and left on a real terminal; and nothing of it anywhere else. */
import { deepStrictEqual, doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { inPlace, type Place } from "../peers/dump_place.ts";
import { RunningProgram } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";
import { onTerminal, screenOf, type TerminalSize } from "../peers/terminal.ts";
import { UploadServer } from "../peers/upload_server.ts";

const escape = "\x1b";
const one = ["--only", "command/slow"];

/** `agent dump WORDS` on a terminal; `redirect` is for the shell that starts it there. */
function onTty(place: Place, words: readonly string[], size?: TerminalSize, redirect = ""): RunningProgram {
  const { command, args } = agentCommand(["dump", ...words]);
  const line = `${onTerminal([command, ...args], size)} ${redirect}`;
  return RunningProgram.start("script", ["-qec", line, "/dev/null"], { cwd: place.folder, stdin: "piped" });
}

async function press(program: RunningProgram, keys: string): Promise<void> {
  const writer = program.stdin.getWriter();
  await writer.write(new TextEncoder().encode(keys));
  writer.releaseLock();
}

Deno.test({
  name: "agent dump draws what runs and how far it is on a terminal, and takes it away when it is done",
  ...needs("script"),
  fn: () =>
    inPlace(async (place) => {
      const seen = join(place.folder, "seen");
      const slow = place.script("slow", `until [ -e ${seen} ]; do sleep 0.05; done`);
      await using program = onTty(place, ["--command", `slow=${slow}`, ...one, "-o", "out.tar.gz"]);
      const drawn = (line: RegExp) => screenOf(program.stdout).some((it) => line.test(it));
      const bothDrawn = () => drawn(/^\[-+\] \(0\/1\)$/) && drawn(/^dump [\d.]+m?s command\/slow$/);
      await program.waitUntil(bothDrawn, "how far it is, and what runs");
      Deno.writeTextFileSync(seen, "");
      strictEqual((await program.waitForExit()).code, 0);
      const left = screenOf(program.stdout).filter((line) => line !== "");
      match(left[0]!, /^COMPLETE: 1 collectors?, /);
      ok(left.some((line) => line.startsWith("out.tar.gz (")));
      doesNotMatch(left.join("\n"), /command\/slow|\(\d\/1\)|PROGRESS|BEGIN/);
    }),
});

Deno.test({
  name: "agent dump writes no control characters where stderr is no terminal, whatever stdout is, and none into a file",
  ...needs("script"),
  fn: () =>
    inPlace(async (place) => {
      const slow = place.script("slow", "sleep 1");
      const words = ["--command", `slow=${slow}`, ...one, "--progress"];
      for (const form of ["auto", "bar"]) {
        await using program = onTty(place, [...words, form, "-o", `${form}.tar.gz`], undefined, "2> said");
        strictEqual((await program.waitForExit()).code, 0);
        match(program.stdout, new RegExp(`^BEGIN:${form}\\.tar\\.gz\\r\\n[^]*^OK:${form}\\.tar\\.gz\\r\\n$`, "m"));
        strictEqual((program.stdout + Deno.readTextFileSync(join(place.folder, "said"))).indexOf(escape), -1);
      }
      const { stdout, stderr } = await place.run([...words, "bar", "-o", "none.tar.gz"], 0);
      strictEqual((stdout + stderr).indexOf(escape), -1);
      match(stdout, /^PROGRESS:1\/1:command\/slow$/m);
    }),
});

Deno.test({
  name: "agent dump on a terminal without a size speaks lines, and asks nothing that nobody could read",
  ...needs("script"),
  fn: () =>
    inPlace(async (place) => {
      const nowhere = { rows: 0, columns: 0 };
      const slow = place.script("slow", "sleep 1");
      const words = ["--command", `slow=${slow}`, ...one, "-o", "out.tar.gz"];
      await using program = onTty(place, words, nowhere);
      strictEqual((await program.waitForExit()).code, 0);
      match(program.stdout, /^PROGRESS:1\/1:command\/slow\r$/m);
      const upload = ["--upload", "http://127.0.0.1:1/", "--no-encrypt", "-o", "sent.tar.gz"];
      await using refused = onTty(place, [...words.slice(0, -2), ...upload], nowhere);
      strictEqual((await refused.waitForExit()).code, 2);
      match(refused.stdout, /the terminal has no size \(stty [^)]+\)[^]*--yes/);
      deepStrictEqual(place.names(), ["out.tar.gz"], "it is said before anything is gathered");
    }),
});

Deno.test({
  name: "agent dump that is asked to stop at its question leaves nothing, and the terminal as it was",
  ...needs("script"),
  fn: () =>
    inPlace(async (place) => {
      const slow = place.script("slow", "echo done");
      const upload = ["--upload", "http://127.0.0.1:1/", "--no-encrypt", "-o", "out.tar.gz"];
      const size = { rows: 24, columns: 80 };
      const { command, args } = agentCommand(["dump", "--command", `slow=${slow}`, ...one, ...upload]);
      const line = onTerminal([command, ...args], size).replace("exec ", "");
      const words = ["-qec", `${line}; echo "code $?"; stty -a`, "/dev/null"];
      await using program = RunningProgram.start("script", words, { cwd: place.folder, stdin: "piped" });
      await program.waitForOutput(/Perform upload\?\S* \(y\/N\)/);
      await press(program, "yes\r"); // in one piece, as pasted or typed before it was asked: that is no consent
      await new Promise((resolve) => setTimeout(resolve, 500)); // a key for itself
      strictEqual(program.status, undefined);
      await press(program, "\x03");
      // What a busy machine reads in one piece with the "yes" is no key either: once more, then.
      await program.waitForOutput(/agent: stopped;/, 5_000).catch(() => press(program, "\x03"));
      await program.waitForExit();
      match(program.stdout, /agent: stopped; nothing is left[^]*^code 130\r$/m);
      ok(program.stdout.lastIndexOf(`${escape}[?25h`) > program.stdout.lastIndexOf(`${escape}[?25l`), "cursor");
      match(program.stdout, / icanon[^]* echo /);
      deepStrictEqual(place.names(), []);
    }),
});

Deno.test({
  name: "agent dump upload draws how far it is, and a warning meanwhile stays readable above it",
  ...needs("script"),
  fn: () =>
    inPlace(async (place) => {
      await using server = await UploadServer.start({
        mischief: (index) => index === 0 ? { status: 503 } : index === 1 ? { cutAt: 0.5 } : undefined,
      });
      const path = join(place.folder, "bundle.tar.gz");
      Deno.writeFileSync(path, crypto.getRandomValues(new Uint8Array(60_000)));
      await using program = onTty(place, ["upload", "bundle.tar.gz", "--upload", `${server.url}/b/`]);
      strictEqual((await program.waitForExit()).code, 0, program.stdout);
      match(program.stdout, /\(\S+ KiB\/58\.59 KiB\)|0\.00 KiB\/58\.59 KiB/);
      const left = screenOf(program.stdout).filter((line) => line !== "");
      strictEqual(left.filter((line) => /warning +dump: .*again in/.test(line)).length, 2, left.join("\n"));
      strictEqual(left.at(-1), "uploaded bundle.tar.gz");
      doesNotMatch(left.join("\n"), /KiB/);
      strictEqual(server.objects.get("/b/bundle.tar.gz")?.length, 60_000);
    }),
});
