/** `agent open` on a bundle in the k3s form whose proof of integrity was damaged: that is damage, not a bundle without proof. */
import assert from "node:assert/strict";
import { gunzipSync, gzipSync } from "node:zlib";
import { join } from "node:path";
import { inPlace } from "../peers/dump_place.ts";
import { makeRsaPair } from "../peers/k3s_owner.ts";
import { needs } from "../peers/skip.ts";

Deno.test({
  name: "agent open finds one changed byte in each part of what proves a k3s bundle unchanged",
  ...needs("openssl"),
  fn: () =>
    inPlace(async (place) => {
      const { pem, passphrase, publicPem } = await makeRsaPair(place.folder);
      const words = ["--format", "k3s", "--only", "system/memory", "-o", join(place.folder, "b.tar.gz")];
      await place.run(words, 0, { PUBKEY: publicPem });
      const keys = ["--identity", pem, "--passphrase-file", passphrase, "--list"];
      await place.open(["b.tar.gz", ...keys]);
      const tar = gunzipSync(Deno.readFileSync(join(place.folder, "b.tar.gz")));
      const proof = tar.indexOf("hmac-sha256=");
      assert.ok(proof > 0);
      for (const at of [0, 6, "hmac-sha256=".length, 60, 76]) {
        const changed = Uint8Array.from(tar);
        changed[proof + at]! ^= 1;
        Deno.writeFileSync(join(place.folder, "c.tar.gz"), gzipSync(changed));
        const { stderr } = await place.open(["c.tar.gz", ...keys], 1);
        assert.match(stderr, /was changed/, `byte ${at}`);
      }
    }),
});
