/** The kernel's side: augenrules(8) and auditctl(8), each held to a deadline. What they say is the verdict. */
import { errorText } from "../pipeline/errors.ts";

/** How loading went. `absent`: this machine or kernel has no audit that could take rules; the files are all there is. */
export interface LoadOutcome {
  readonly state: "loaded" | "failed" | "absent";
  readonly text: string;
}

/** Compiles and loads what is in `/etc/audit/rules.d`. Never throws. */
export async function loadRules(): Promise<LoadOutcome> {
  const status = await run("auditctl", ["-s"]);
  if (status.code !== 0) return { state: "absent", text: `the kernel's audit cannot be asked: ${status.text}` };
  const isLocked = /^enabled 2$/m.test(status.output);
  const { code, text } = await run("augenrules", isLocked ? [] : ["--load"]);
  if (isLocked) return { state: "absent", text: "the kernel's rules are locked (-e 2): they change at the next boot" };
  // augenrules hides the exit code of a rule that -i lets pass; anything on stderr is a rule that is not there.
  if (code === 0 && text === "") return { state: "loaded", text: "" };
  return { state: "failed", text: text === "" ? `augenrules ended with ${code}` : text };
}

interface Outcome {
  readonly code: number;
  readonly output: string;
  /** What went to stderr, on one line; without a start or an end, why. */
  readonly text: string;
}

async function run(program: string, args: readonly string[]): Promise<Outcome> {
  const path = `${Deno.env.get("PATH") ?? "/usr/bin:/bin"}:/usr/local/sbin:/usr/sbin:/sbin`;
  const deadline = AbortSignal.timeout(deadlineMs);
  try {
    const child = new Deno.Command("env", {
      args: [program, ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      detached: true,
      env: { PATH: path, LC_ALL: "C" },
    }).spawn();
    deadline.addEventListener("abort", () => killGroup(child.pid));
    const { code, stdout, stderr } = await child.output();
    if (deadline.aborted) return { code: -1, output: "", text: `"${program}" did not end within ${deadlineMs} ms` };
    return { code, output: decode(stdout), text: decode(stderr).trim().replaceAll(/\s*\n\s*/g, "; ").slice(0, 1_000) };
  } catch (error) {
    return { code: -1, output: "", text: errorText(error) };
  }
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function killGroup(pid: number): void {
  try {
    Deno.kill(-pid, "SIGKILL");
  } catch {
    // Nobody is left in it.
  }
}

const deadlineMs = 30_000;
