/** A file system whose server is dead among the logs: it costs seconds and itself, not the dump's other logs and its deadline. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { inPlace } from "../peers/dump_place.ts";
import { writeTree } from "../peers/fake_root.ts";
import { OpenedDump } from "../peers/opened_dump.ts";
import { RunningProgram } from "../peers/process.ts";
import { needs, onlyIf } from "../peers/skip.ts";

Deno.test({
  name: "agent dump passes a dead file system below /var/log, says so, and has the other logs",
  ...(hasFuse() ? needs("root", "unshare", "mount", "tar") : onlyIf(false, "there is no /dev/fuse")),
  fn: () =>
    inPlace(async (place) => {
      const root = join(place.folder, "root");
      writeTree(root, { "var/log/syslog": "Nov 30 21:00:00 h x: fine\n", "var/log/z.log": "last\n" });
      const dead = join(root, "var/log/remote");
      Deno.mkdirSync(dead);
      // Nobody ever answers the kernel on this descriptor, so whoever asks for the mount waits.
      const options = "fd=3,rootmode=40000,user_id=0,group_id=0";
      const { command, args } = agentCommand(["dump", "--root", root, "--only", "logs", "-o", "out.tar.gz"]);
      const script = `exec 3<>/dev/fuse; mount -i -t fuse -o ${options} dead "$0" && exec "$@"`;
      const words = ["--mount", "--propagation", "private", "sh", "-c", script, dead, command, ...args];
      await using program = RunningProgram.start("unshare", words, { cwd: place.folder });
      const { code } = await program.waitForExit(60_000);
      assert.equal(code, 3, program.stderr);
      assert.match(
        program.stdout + program.stderr,
        /timeout: Cannot read ".*\/var\/log\/remote": no answer within 5 s/,
      );
      using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
      dump.judge();
      assert.equal(dump.text("logs/var/log/syslog"), "Nov 30 21:00:00 h x: fine\n");
      assert.equal(dump.text("logs/var/log/z.log"), "last\n");
    }),
});

/** Whether the device can be opened: it may be there, and nothing behind it. */
function hasFuse(): boolean {
  try {
    Deno.openSync("/dev/fuse", { read: true, write: true }).close();
    return true;
  } catch {
    return false;
  }
}
