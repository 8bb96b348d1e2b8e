/** Collectors of what the user asks for by name. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { type CollectorOptions, collectors } from "../../src/dump/collectors/mod.ts";
import { readMachine } from "../../src/dump/machine.ts";
import { collectAll } from "../peers/collecting.ts";
import { writeTree } from "../peers/fake_root.ts";
import { needs } from "../peers/skip.ts";
import { inFolder } from "../peers/collector_place.ts";

Deno.test({
  name: "what the user asks for: commands, files by pattern, databases, metrics, the agent's state",
  ...needs("sh"),
  fn: () =>
    inFolder(async (folder) => {
      writeTree(folder, {
        "data/a.conf": "a\n",
        "data/deep/b.conf": "b\n",
        "data/c.txt": "c\n",
        "data/round": { link: "." },
      });
      const { DatabaseSync } = await import("node:sqlite");
      const database = new DatabaseSync(join(folder, "data/d.db"));
      database.exec(
        "CREATE TABLE t(id INTEGER, name TEXT); INSERT INTO t VALUES (1, 'it''s'), (9007199254740993, NULL)",
      );
      database.close();
      const server = Deno.serve(
        { port: 0, hostname: "127.0.0.1", onListen: () => {} },
        (request) =>
          new Response(`up 1\nauthorized ${request.headers.get("authorization") === `Basic ${btoa("u:p")}` ? 1 : 0}\n`),
      );
      try {
        const options: CollectorOptions = {
          commands: [{ name: "fails", command: ["/bin/sh", "-c", "echo half; echo why >&2; exit 7"] }],
          include: [`${folder}/data/**/*.conf`, `${folder}/data/*.db`, `${folder}/none/*`],
          metrics: [`http://u:p@127.0.0.1:${server.addr.port}/metrics?token=t`],
          ownState: [
            { path: "state.json", kind: "json", origin: "the agent", read: () => "{}" },
            { path: "bad.txt", kind: "text", origin: "nowhere", read: () => Promise.reject(new Error("broken")) },
            { path: "none.txt", kind: "text", origin: "nothing", read: () => undefined },
          ],
        };
        const wanted = collectors(options).filter(({ id }) => /^(command|files|metrics|agent)\//.test(id));
        const all = await collectAll(readMachine(), wanted);
        const texts = new Map([...all.values()].flatMap((one) => [...one.texts]));
        const notes = [...all.values()].flatMap((one) => one.notes);
        strictEqual(texts.get("commands/fails.txt"), "half\n");
        strictEqual(texts.get(`files${folder}/data/a.conf`), "a\n");
        strictEqual(texts.get(`files${folder}/data/deep/b.conf`), "b\n");
        ok(!texts.has(`files${folder}/data/c.txt`));
        strictEqual(
          texts.get(`files${folder}/data/d.db.sql`),
          "CREATE TABLE t(id INTEGER, name TEXT);\nINSERT INTO \"t\" VALUES(1,'it''s');\n" +
            'INSERT INTO "t" VALUES(9007199254740993,NULL);\n',
        );
        strictEqual(texts.get(`metrics/127.0.0.1_${server.addr.port}_metrics.prom`), "up 1\nauthorized 1\n");
        strictEqual(texts.get("agent/state.json"), "{}");
        deepStrictEqual(notes.map(({ about, state }) => `${state} ${about}`), [
          "error agent/bad.txt",
          "error commands/fails.txt",
          `missing files${folder}/none/*`,
        ]);
        match(notes[1]!.stderr!, /why/);
        const said = JSON.stringify([wanted.map(({ id, summary, plan }) => [id, summary, plan(readMachine())]), notes]);
        ok(!/u:p|token=t/.test(said), "an address was shown with its secrets");
      } finally {
        await server.shutdown();
      }
    }),
});
