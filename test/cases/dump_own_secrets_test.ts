/** What the agent's own configuration keeps secret is found by value wherever it stands, in whatever file it is kept. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { writeTree } from "../peers/fake_root.ts";
import { inPlace } from "../peers/dump_place.ts";
import { OpenedDump } from "../peers/opened_dump.ts";
import { needs } from "../peers/skip.ts";

Deno.test({
  name: "agent dump masks what the files of secrets hold that its configuration names",
  ...needs("tar"),
  fn: () =>
    inPlace(async (place) => {
      const secrets = {
        challenge: "correct horse battery",
        elastic: "PlainWordsOnly",
        tokens: "first-token-of-two\nsecond-token-of-two",
      };
      writeTree(place.folder, {
        ...secrets,
        "agent.yaml": `certificate: {url: "https://ca.example.net/sign", subject: CN=x, challengeFile: challenge}
state: ${place.folder}/state
sources: {m: {type: file, include: [/nowhere.log]}}
sinks: {es: {type: elasticsearch, target: h, index: x, authentication: basic, user: u, secretFile: elastic}}
status: {listen: "127.0.0.1:0", tokenFile: tokens}
`,
        "app.log": Object.values(secrets).map((text) => `it said ${text.replace("\n", " and ")} to somebody\n`).join(
          "",
        ),
      });
      for (const name of Object.keys(secrets)) Deno.chmodSync(join(place.folder, name), 0o600);
      const words = ["--config", "agent.yaml", "--only", "agent/state", "--include", "app.log", "-o", "out.tar.gz"];
      await place.run(words, [0, 3]);
      using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
      dump.judge();
      const log = dump.files().find((path) => path.endsWith("/app.log"))!;
      assert.equal(
        Deno.readTextFileSync(join(dump.folder, log)),
        "it said [redacted] to somebody\nit said [redacted] to somebody\nit said [redacted] and [redacted] to somebody\n",
      );
    }),
});
