/** The file source beside the real logrotate, with every way of rotating that its manual names. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { recordText } from "../../src/pipeline/batch.ts";
import { openFileSource } from "../../src/sources/file/file_source.ts";
import { waitFor } from "../peers/process.ts";

const logrotate = ["/usr/sbin/logrotate", "/sbin/logrotate"].find((path) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});

const ways: Readonly<Record<string, string>> = {
  "create": "create",
  "nocreate, the writer makes the file": "nocreate",
  "copytruncate": "copytruncate",
  "copytruncate with compress": "copytruncate\ncompress",
  "create with compress": "create\ncompress",
  "create with delaycompress": "create\ncompress\ndelaycompress",
  "dateext": "create\ndateext\ndateformat -%Y%m%d-%s",
  "olddir": "create\nolddir old",
};

for (const [name, directives] of Object.entries(ways)) {
  for (const pattern of ["a.log", "a.log*"]) {
    Deno.test({
      name: `openFileSource() follows ${pattern} through logrotate: ${name}`,
      ignore: logrotate === undefined,
      fn: () => rotateAndJudge(directives, pattern),
    });
  }
}

async function rotateAndJudge(directives: string, pattern: string): Promise<void> {
  const folder = Deno.makeTempDirSync();
  Deno.mkdirSync(join(folder, "old"));
  const path = join(folder, "a.log");
  Deno.writeTextFileSync(path, "");
  const stop = new AbortController();
  const records: string[] = [];
  // Shorter than the default, but longer than a busy machine may take between the copy and the truncation.
  const copyWaitMs = directives.includes("copytruncate") ? 3_000 : 700;
  const source = openFileSource({
    id: "files",
    include: [join(folder, pattern)],
    start: "beginning",
    hostname: "host",
    tuning: { copyWaitMs },
    report: () => {},
  });
  const reading = (async () => {
    for await (const batch of source.read(undefined, { maxRecords: 128, maxBytes: 1 << 18 }, stop.signal)) {
      for (let i = 0; i < batch.count; i++) records.push(recordText(batch, i));
      batch.release();
    }
  })();
  try {
    const wanted: string[] = [];
    for (let round = 0; round < 5; round++) {
      const next = Array.from({ length: 300 }, (_, i) => `round ${round} line ${i} of a text that is not short`);
      Deno.writeTextFileSync(path, next.join("\n") + "\n", { append: true });
      wanted.push(...next);
      await waitFor(() => records.length >= wanted.length, `round ${round}`); // a copytruncate with a line on its way is the writer's loss
      if (directives.includes("%s")) await new Promise((resolve) => setTimeout(resolve, 1_100)); // its names are seconds
      await runLogrotate(folder, path, directives);
    }
    await waitFor(() => records.length >= wanted.length, "the last round");
    await new Promise((resolve) => setTimeout(resolve, copyWaitMs + 800)); // longer than a copy is waited for
    assert.deepEqual(records, wanted);
  } finally {
    stop.abort();
    await reading;
    Deno.removeSync(folder, { recursive: true });
  }
}

async function runLogrotate(folder: string, path: string, directives: string): Promise<void> {
  const config = join(folder, "logrotate.conf");
  Deno.writeTextFileSync(config, `${path} {\nrotate 3\nmissingok\n${directives}\n}\n`);
  Deno.chmodSync(config, 0o644);
  const { success, stderr } = await new Deno.Command(logrotate!, {
    args: ["--force", "--state", join(folder, "state"), config],
    stdout: "null",
    stderr: "piped",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}
