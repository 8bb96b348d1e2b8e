/** What a person mistypes is said before anything is gathered, and what is asked for by name is never missing in silence. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { inPlace } from "../peers/dump_place.ts";
import { OpenedDump } from "../peers/opened_dump.ts";
import { needs } from "../peers/skip.ts";

const mistakes: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["a day that there is none", ["--since", "2026-02-30T00:00:00Z"], /--since: "2026-02-30T00:00:00Z" is no time/],
  ["a span that ends before it begins", ["--since", "1h", "--until", "2h"], /--since is later than --until/],
  ["nothing left to gather", ["--skip", "system/memory"], /--only and --skip leave no collector/],
  ["an empty pattern", ["--pattern", ""], /--pattern: it is empty/],
  ["an empty word", ["--word", " "], /--word: it is empty/],
  ["a root that is not there", ["--root", "/nowhere"], /--root: "\/nowhere" is no folder/],
  ["a root that is a file", ["--root", "/etc/passwd"], /is no folder/],
  ["a configuration that is not there", ["--config", "/nowhere.yaml"], /Cannot read configuration "\/nowhere.yaml"/],
  ["a file of a passphrase that is not there", ["--passphrase-file", "/nowhere"], /there is no file "\/nowhere"/],
  ["a file of recipients that is not there", ["-R", "/nowhere"], /Cannot read recipients "\/nowhere"/],
  ["an address that cannot be uploaded to", ["--no-encrypt", "--yes", "--upload", "ftp://x/"], /upload target: no URL/],
  ["a page of metrics that is none", ["--metrics", "file:///etc/passwd"], /is no http or https URL/],
  ["an empty output", ["--output", ""], /--output: it is empty/],
];

for (const [name, words, message] of mistakes) {
  Deno.test(`agent dump refuses ${name}, with exit code 2 and no file`, () =>
    inPlace(async (place) => {
      const output = words.includes("--output") ? [] : ["--output", "out.tar.gz"];
      const { stderr } = await place.run(["--only", "system/memory", ...output, ...words], 2);
      assert.match(stderr, message);
      assert.deepEqual(place.names(), []);
    }));
}

Deno.test({
  name:
    "agent dump runs what is asked for by options of its own beside --only, and is incomplete where there is none of it",
  ...needs("tar", "echo"),
  fn: () =>
    inPlace(async (place) => {
      const words = ["--only", "system/memory", "-o", "out.tar.gz", "--force"];
      for (const asked of [["--process", "no-such-process"], ["--include", "/nowhere/*.conf"]]) {
        const { stderr } = await place.run([...words, ...asked], 3);
        assert.match(stderr, /missing: (?:process|files)\/.*: skipped: Cannot find/);
      }
      Deno.writeTextFileSync(join(place.folder, "own.conf"), "colour = blue\n");
      await place.run([...words, "--command", "said=echo hello", "--include", "own.conf"], 0);
      using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
      dump.judge();
      assert.equal(dump.text("commands/said.txt"), "hello\n");
      const included = dump.files().find((path) => path.endsWith("/own.conf"))!;
      assert.equal(Deno.readTextFileSync(join(dump.folder, included)), "colour = blue\n");
    }),
});

Deno.test({
  name: "agent dump tells what kubectl said of a cluster that was asked for, though none is known",
  ...needs("tar"),
  fn: () =>
    inPlace(async (place) => {
      const kubectl = place.script("kubectl", "echo 'the server is on fire' >&2; exit 7");
      const env = { HOME: place.folder, KUBECONFIG: "", PATH: `${kubectl.replace(/\/kubectl$/, "")}:/usr/bin:/bin` };
      const { stderr } = await place.run(["--only", "kubernetes/cluster", "-o", "out.tar.gz"], 3, env);
      assert.match(stderr, /missing: kubernetes\/cluster: error: Cannot run "kubectl version.*: exit code 7/);
      using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
      assert.match(dump.text("kube/kubectl_version.yaml.error"), /the server is on fire/);
    }),
});
