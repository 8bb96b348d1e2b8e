import assert from "node:assert/strict";
import { isRotatedName, liveNamesOf, programOf } from "./rotated_name.ts";

Deno.test("isRotatedName() knows the names that logrotate and others give, and no others", () => {
  for (
    const name of [
      "app.log.1",
      "app.log.12",
      "app.log-20260131",
      "app.log-2026-01-31T10:00:00",
      "app.log.old",
      "app.log~",
    ]
  ) assert.ok(isRotatedName("/var/log/app.log", `/var/old/${name}`), name);
  for (const name of ["app.1.log", "app-20260131.log"]) assert.ok(isRotatedName("/var/log/app.log", name), name);
  for (
    const name of [
      "app.log",
      "app.log.1.gz",
      "app.log.audit",
      "app2.log",
      "other.log.1",
      "app.logic",
      "app.log.d",
      "ap.log.1",
    ]
  ) assert.ok(!isRotatedName("/var/log/app.log", name), name);
  assert.ok(isRotatedName("/var/log/syslog", "syslog.1"));
});

Deno.test("programOf() drops the rotation and .log, and never gives nothing", () => {
  const names = {
    "/var/log/app.log": "app",
    "/var/log/app.log.1": "app",
    "/var/log/app.log-20260131": "app",
    "/var/log/app-20260131.log": "app",
    "/var/log/syslog": "syslog",
    "/var/log/syslog.1": "syslog",
    "/var/log/.log": ".log",
    "/var/log/kern.old": "kern",
  };
  for (const [path, program] of Object.entries(names)) assert.equal(programOf(path), program, path);
});

Deno.test("liveNamesOf() takes the suffix away that isRotatedName() would take", () => {
  assert.deepEqual(liveNamesOf("/v-1.d/app.log.1"), ["/v-1.d/app.log"]);
  assert.deepEqual(liveNamesOf("/var/app-2026-01-31T10.log"), ["/var/app.log"]);
  assert.deepEqual(liveNamesOf("/var/app.1.log.old"), ["/var/app.1.log"]);
  for (const name of ["/var/app.log", "/v-1.d/app", "/var/.1"]) assert.deepEqual(liveNamesOf(name), [], name);
  for (const name of ["/a/app.log~", "/a/app.log-20260131"]) {
    assert.ok(liveNamesOf(name).every((live) => isRotatedName(live, name)));
  }
});
