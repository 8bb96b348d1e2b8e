import { strictEqual } from "node:assert";
import { RemoteMounts } from "./remote_mounts.ts";

Deno.test("RemoteMounts.has() tells by the longest mount, the last one where there are two", () => {
  const mounts = new RemoteMounts(`/dev/vda1 / ext4 rw 0 0
srv:/logs /var/log/remote nfs4 rw 0 0
/dev/vdb /var/log/remote/local xfs rw 0 0
//srv/a /mnt/with\\040space cifs rw 0 0
srv:/tmp /tmp nfs rw 0 0
tmpfs /tmp tmpfs rw 0 0
`);
  const expected: Readonly<Record<string, boolean>> = {
    "/var/log": false,
    "/var/log/remote": true,
    "/var/log/remote/a/b": true,
    "/var/log/remoter": false,
    "/var/log/remote/local/x": false,
    "/mnt/with space/x": true,
    "/tmp": false,
  };
  for (const [path, isRemote] of Object.entries(expected)) strictEqual(mounts.has(path), isRemote, path);
  strictEqual(new RemoteMounts("").has("/var/log"), false);
});
