/** `agent dump --root` of a disk that was mounted to find out why its machine died: what is full on it is found. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { inPlace } from "../peers/dump_place.ts";
import { writeTree } from "../peers/fake_root.ts";
import { OpenedDump } from "../peers/opened_dump.ts";
import { runProgram } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

Deno.test({
  name: "agent dump --root finds the full file system of a mounted tree, and tells nothing of this machine's disks",
  ...needs("root", "mount", "umount", "tar"),
  fn: () =>
    inPlace(async (place) => {
      const root = join(place.folder, "root");
      writeTree(root, {
        "etc/hostname": "shop-db-01\n",
        "proc/mounts": "/dev/vda1 / ext4 rw 0 0\ntmpfs /var tmpfs rw 0 0\n",
        "var/empty": "",
      });
      const words = ["--root", root, "--only", "system/disk", "--force", "-o", "out.tar.gz"];
      await place.run(words, [0, 3]);
      {
        using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
        assert.ok(!dump.files().some((path) => path.endsWith("system/disk.txt")));
      }
      await runProgram("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", join(root, "var")]);
      try {
        Deno.writeFileSync(join(root, "var/filler"), new Uint8Array(2 ** 21 - 8_192));
        const { stderr, stdout } = await place.run(words, [0, 3]);
        assert.match(stdout + stderr, /critical: \/var is (?:full|99 % full)/);
        using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
        dump.judge();
        assert.equal(dump.text("system/disk.txt").trim().split("\n").length, 2);
      } finally {
        await runProgram("umount", [join(root, "var")]);
      }
    }),
});
