/** Databases of SQLite in a dump: rows are evidence, what stands behind a name of a secret is not. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { inPlace } from "../peers/dump_place.ts";
import { OpenedDump } from "../peers/opened_dump.ts";
import { needs } from "../peers/skip.ts";

Deno.test({
  name: "agent dump hides what stands in a column, or beside a name, of secrets in a database; --no-redact does not",
  ...needs("tar"),
  fn: () =>
    inPlace(async (place) => {
      const database = new DatabaseSync(join(place.folder, "app.db"));
      database.exec("CREATE TABLE users(name TEXT, password TEXT, visits INT)");
      database.exec("INSERT INTO users VALUES('red', 'quiet sunday', 7), ('blue', NULL, 8)");
      database.exec("CREATE TABLE settings(name TEXT, value TEXT)");
      database.exec("INSERT INTO settings VALUES('smtp_password', 'loud monday'), ('colour', 'green')");
      database.close();
      const words = ["--only", "system/memory", "--include", "app.db", "--force"];
      await place.run([...words, "-o", "out.tar.gz"], 0);
      const rows = await sqlOf(join(place.folder, "out.tar.gz"));
      assert.match(rows, /VALUES\('red','\[redacted\]',7\);\n.*VALUES\('blue',NULL,8\);/);
      assert.match(rows, /VALUES\('smtp_password','\[redacted\]'\);\n.*VALUES\('colour','green'\);/);
      await place.run([...words, "--no-redact", "--yes-i-know-it-is-unredacted", "-o", "UNREDACTED.tar.gz"], 0);
      assert.match(await sqlOf(join(place.folder, "UNREDACTED.tar.gz")), /quiet sunday[^]*loud monday/);
    }),
});

async function sqlOf(path: string): Promise<string> {
  using dump = await OpenedDump.open(path);
  dump.judge();
  return Deno.readTextFileSync(join(dump.folder, dump.files().find((name) => name.endsWith("app.db.sql"))!));
}
