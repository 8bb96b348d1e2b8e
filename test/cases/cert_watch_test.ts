/** `agent cert watch`: renewals, an outage of the CA, and going back to the certificate before. */
import { ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { Device } from "../peers/device.ts";
import { Pki } from "../peers/pki.ts";
import { freePort, isListening } from "../peers/ports.ts";
import { RunningProgram } from "../peers/process.ts";
import { startSigner } from "../peers/signer.ts";
import { needs } from "../peers/skip.ts";

Deno.test("agent cert watch renews a short certificate again and again, and gets over an outage of the CA", async () => {
  await using service = await startSigner({ words: ["--lifetime", "6s"] });
  using device = new Device();
  await using watch = device.watch(`${service.origin}/sign`, service.ca, ["--exec", `echo x >>${device.folder}/hooks`]);
  await watch.waitUntil(() => watch.stderr.split("installed certificate").length > 3, "three certificates");
  const { port } = service;
  await service.program.kill();
  const before = watch.stderr.length;
  const said = (words: string): number => watch.stderr.slice(before).split(words).length - 1;
  await watch.waitUntil(() => said("nothing listens there") > 0, "the outage in the log");
  await watch.waitUntil(() => said("has expired, and there is no new one yet") > 0, "the expiry in the log");
  await service.start(port);
  await watch.waitUntil(() => /after .* and \d+ failed tries/.test(watch.stderr.slice(before)), "the end of it");
  strictEqual(said("nothing listens there"), 1, "an outage is said once");
  strictEqual(said("has expired, and there"), 1, "the expiry is said once");
  watch.signal("SIGTERM");
  strictEqual((await watch.waitForExit()).code, 143);
  ok(Deno.readTextFileSync(join(device.folder, "hooks")).split("\n").length > 3);
});

Deno.test({
  name: "agent cert watch goes back to the certificate before when a peer refuses the new one",
  ...needs("openssl"),
  fn: async () => {
    await using service = await startSigner({ words: ["--lifetime", "30s"] });
    using pki = await Pki.make();
    using device = new Device();
    await device.enroll(`${service.origin}/sign`, service.ca);
    const before = await device.status();
    // This peer knows only a CA of others: it refuses every certificate of ours with an alert.
    const port = freePort();
    await using peer = RunningProgram.start("openssl", [
      ...["s_server", "-accept", `127.0.0.1:${port}`, "-cert", pki.server.cert, "-key", pki.server.key],
      ...["-CAfile", pki.strangerCa, "-Verify", "2", "-verify_return_error", "-quiet"],
    ], { name: "refusing peer", stdin: "piped" });
    await peer.waitUntil(() => isListening(port), "the peer");
    await using watch = device.watch(`${service.origin}/sign`, service.ca, ["--probe", `127.0.0.1:${port}`]);
    await watch.waitForOutput(/refuses the new certificate/, 40_000);
    await watch.waitForOutput(/went back to certificate/);
    watch.signal("SIGTERM"); // before it tries again
    await watch.waitForExit();
    strictEqual((await device.status())["serial"], before["serial"]);
    await peer.stdin.close();
  },
});
