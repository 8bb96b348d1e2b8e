/** `agent ship` delivers files to the real imrelp: every line once and in order, plain and over both TLS libraries. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { judgeLines, newRun, perfect, writeNumberedLines } from "../peers/numbered_lines.ts";
import { Pki } from "../peers/pki.ts";
import { startRelpServer } from "../peers/rsyslog.ts";
import { startShipper } from "../peers/shipper.ts";
import { needs } from "../peers/skip.ts";

/** Lines per run: 1,000,000 for the full proof, fewer here. */
const lines = Number(Deno.env.get("AGENT_TEST_LINES") ?? 50_000);
const deadlineMs = 30_000 + lines / 10;

for (const library of [undefined, "gnutls", "openssl"] as const) {
  Deno.test({
    name: `agent ship --once delivers every line to imrelp once and in order, ${library ?? "plain"}`,
    ...needs("rsyslogd", "openssl"),
    fn: async () => {
      using pki = await Pki.make();
      const run = newRun();
      const include = join(pki.folder, "in.log");
      writeNumberedLines(include, run, 0, lines);
      await using server = await startRelpServer(library === undefined ? {} : { tls: { pki, library } });
      await using shipper = startShipper({
        include,
        port: server.port,
        once: true,
        windowSize: 4096,
        ...(library === undefined ? {} : { tls: { pki } }),
      });
      const { code } = await shipper.program.waitForExit(deadlineMs);
      strictEqual(code, 0, shipper.program.stderr);
      await server.waitForLines(lines);
      deepStrictEqual(judgeLines(server.output, run, lines), perfect(lines));
    },
  });
}

Deno.test({
  name: "agent ship delivers lines that are written while it runs, and goes on after a restart where it was",
  ...needs("rsyslogd"),
  fn: async () => {
    const folder = Deno.makeTempDirSync();
    const run = newRun();
    const include = join(folder, "in.log");
    writeNumberedLines(include, run, 0, 1_000);
    await using server = await startRelpServer();
    await using shipper = startShipper({ include, port: server.port });
    await server.waitForLines(1_000);
    writeNumberedLines(include, run, 1_000, 2_000);
    await server.waitForLines(2_000);
    shipper.program.signal("SIGTERM");
    strictEqual((await shipper.program.waitForExit()).code, 143, shipper.program.stderr);
    writeNumberedLines(include, run, 2_000, 3_000);
    shipper.start();
    await server.waitForLines(3_000);
    deepStrictEqual(judgeLines(server.output, run, 3_000), perfect(3_000));
    Deno.removeSync(folder, { recursive: true });
  },
});

Deno.test({
  name: "agent ship sends a line of 200,000 bytes whole to a server that takes it",
  ...needs("rsyslogd"),
  fn: async () => {
    const folder = Deno.makeTempDirSync();
    const run = newRun();
    const include = join(folder, "in.log");
    writeNumberedLines(include, run, 0, 3, 200_000);
    await using server = await startRelpServer({ maxMessageBytes: 262_144 });
    await using shipper = startShipper({ include, port: server.port, once: true, source: { maxLine: "256KiB" } });
    strictEqual((await shipper.program.waitForExit()).code, 0, shipper.program.stderr);
    await server.waitForLines(3);
    deepStrictEqual(judgeLines(server.output, run, 3, 200_000), perfect(3));
    Deno.removeSync(folder, { recursive: true });
  },
});

for (const library of ["gnutls", "openssl"] as const) {
  Deno.test({
    name: `agent ship presents an intermediate, and is known to ${library} by its fingerprint alone`,
    ...needs("rsyslogd", "openssl"),
    fn: async () => {
      using pki = await Pki.make();
      await pki.issue("chained", { commonName: "chained.lab", alternatives: "DNS:chained.lab", intermediate: true });
      const permittedPeer = [await pki.fingerprint(pki.pair("chained").cert)];
      for (const authMode of ["name", "fingerprint"] as const) {
        const run = newRun();
        const include = join(pki.folder, `${authMode}.log`);
        writeNumberedLines(include, run, 0, 100);
        await using server = await startRelpServer({
          tls: { pki, library, authMode, permittedPeer: authMode === "name" ? ["*.lab"] : permittedPeer },
        });
        await using shipper = startShipper({ include, port: server.port, once: true, tls: { pki, pair: "chained" } });
        strictEqual((await shipper.program.waitForExit()).code, 0, shipper.program.stderr);
        await server.waitForLines(100);
        deepStrictEqual(judgeLines(server.output, run, 100), perfect(100), authMode);
      }
    },
  });
}
