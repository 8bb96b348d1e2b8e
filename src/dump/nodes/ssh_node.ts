/** Another machine by ssh: `agent dump` is run there and writes its bundle to us; nothing stays on it. */
import { stripVTControlCharacters } from "node:util";
import type { Machine } from "../machine.ts";
import { startCommand } from "../running_command.ts";
import type { NodeAddress } from "./address.ts";
import type { RemoteDump, RemoteWish } from "./remote.ts";

/** Starts it. ssh asks nothing: a machine that wants a password or has an unknown key is a failure. Never throws. */
export function dumpOverSsh(
  address: Extract<NodeAddress, { kind: "ssh" }>,
  wish: RemoteWish,
  machine: Machine,
  signal: AbortSignal,
): RemoteDump {
  const agentSocket = Deno.env.get("SSH_AUTH_SOCK");
  const running = startCommand({
    program: "ssh",
    args: [
      ...["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-T"],
      ...(address.port === undefined ? [] : ["-p", String(address.port)]),
      "--",
      address.host,
      remoteCommand(wish),
    ],
    ...(agentSocket === undefined ? {} : { environment: { SSH_AUTH_SOCK: agentSocket } }),
  }, { machine, signal });
  return {
    content: running.stdout,
    outcome: async () => {
      const { state, exitCode, stderr } = await running.outcome;
      // 3: it is whole, and says itself that it is incomplete.
      if (state === "ok" || exitCode === 3) return undefined;
      if (state === "timeout") return "not done at the deadline";
      if (state === "missing") return "there is no ssh on this machine";
      const why = reasonIn(stderr);
      if (exitCode === 127) return "agent is not installed there, or not in the PATH of ssh";
      return `${exitCode === 255 ? "ssh" : "agent dump"} ended with ${exitCode}${why === "" ? "" : `: ${why}`}`;
    },
  };
}

/** The words for the other machine's shell; all values are of our own making. */
function remoteCommand({ profile, since, until, deadlineMs }: RemoteWish): string {
  return [
    ...["agent", "dump", "--output", "-", "--no-encrypt", "--profile", profile],
    ...["--deadline", `${Math.round(deadlineMs)}ms`, "--progress", "none"],
    ...(since === undefined ? [] : ["--since", since.toISOString()]),
    ...(until === undefined ? [] : ["--until", until.toISOString()]),
  ].join(" ");
}

/** What a program says last before it fails: not its advice, and not the places in a program that may follow. */
function reasonIn(stderr: string): string {
  const lines = stripVTControlCharacters(stderr).trim().split("\n");
  return lines.findLast((line) => !/^\s|^Try: /.test(line)) ?? "";
}
