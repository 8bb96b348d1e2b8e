/** A full disk, on both ends: nothing is issued that was not logged, nothing is installed in part, and space heals it. */
import { match, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { Device } from "../peers/device.ts";
import { runProgram } from "../peers/process.ts";
import { startSigner } from "../peers/signer.ts";
import { needs } from "../peers/skip.ts";
import { SmallDisk } from "../peers/small_disk.ts";

Deno.test({
  name: "a full disk at the CA: nothing is issued, devices are told to come back; with space again all is well",
  ...needs("root", "mount"),
  fn: async () => {
    const root = Deno.makeTempDirSync({ prefix: "full" });
    await using service = await startSigner();
    const { port } = service;
    await service.program.kill();
    {
      await using disk = await SmallDisk.mount(join(root, "disk"));
      await runProgram("cp", ["-a", `${service.dir}/.`, disk.path]);
      Deno.renameSync(service.dir, `${service.dir}.before`);
      Deno.symlinkSync(disk.path, service.dir);
      await service.start(port);
      using device = new Device();
      disk.fill();
      match((await device.enroll(`${service.origin}/sign`, service.ca, [], 75)).stderr, /503/);
      await service.program.waitForOutput(/No space left/);
      strictEqual(service.issued.length, 0);
      disk.free();
      await device.enroll(`${service.origin}/sign`, service.ca);
      strictEqual(service.issued.length, 1);
      await service.program.kill();
    }
    Deno.removeSync(root, { recursive: true });
  },
});

Deno.test({
  name: "a full disk at the device: the pair in use stays, the failure says why; with space again it renews",
  ...needs("root", "mount"),
  fn: async () => {
    await using service = await startSigner();
    using device = new Device();
    await using disk = await SmallDisk.mount(device.dir);
    const url = `${service.origin}/sign`;
    await device.enroll(url, service.ca);
    const before = await device.status();
    disk.fill();
    match((await device.enroll(url, service.ca, ["--force"], 1)).stderr, /No space left/);
    strictEqual((await device.status())["serial"], before["serial"]);
    disk.free();
    await device.enroll(url, service.ca, ["--force"]);
    strictEqual((await device.status())["generation"], 2);
  },
});
