import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import type { Finding } from "../report.ts";
import { certificatesAnalyser } from "./certificates.ts";
import { analysers } from "./mod.ts";

/** What all analysers find in these artifacts. */
async function findingsIn(artifacts: Readonly<Record<string, string>>): Promise<readonly Finding[]> {
  const read = (path: string): Promise<string | undefined> => Promise.resolve(artifacts[path]);
  const found = await Promise.all(analysers.map((analyser) => analyser.analyse(read, Object.keys(artifacts))));
  return found.flat();
}

async function idsIn(artifacts: Readonly<Record<string, string>>): Promise<readonly string[]> {
  return (await findingsIn(artifacts)).map(({ id, severity }) => `${id} ${severity}`);
}

const diskHeader = "filesystem  type  kib  used  available  use%  inodes  iused  iuse%  ro  mount\n";

Deno.test("analysers find nothing on a machine that is well", async () => {
  deepStrictEqual(
    await idsIn({
      "system/disk.txt": `${diskHeader}/dev/vda ext4 264212084 16927912 78573352 18 16777216 421284 3 rw /\n` +
        "/dev/loop0 squashfs 65536 65536 0 100 100 100 100 ro /snap/x\n",
      "system/meminfo": "MemTotal: 1000000 kB\nMemAvailable: 500000 kB\n",
      "system/pressure.txt": "==> /proc/pressure/io <==\nsome avg10=0.00 avg60=1.00 avg300=0.00 total=1\n" +
        "full avg10=0.00 avg60=0.50 avg300=0.00 total=1\n",
      "system/clock.txt": "now: 2026-11-20T20:00:00.000Z\nclock-set: yes\nrtc0-offset-s: 3600\n",
      "system/ntp.txt": "ntp.test offset-ms=12 delay-ms=3 stratum=2\n",
      "network/reachability.txt": "test target family result ms detail\ndns-a 192.0.2.1 ipv4 ok 3 x: 1 answers\n" +
        "tcp c.test:2514 ipv4 ok 3 connected\ntcp c.test:2514 ipv6 none 1 no address of this family\n",
      "kernel/dmesg.log": "2026-11-20T20:00:00.000Z [ 1.000000] info: usb 1-1: new device\n",
      "logs/var/log/app.log": "Out of memory: Killed process 1 (as an application cites it)\n",
      "agent/state.json": '{"spool":{"usedBytes":1,"maxBytes":100,"drops":[]},"sinks":[{"id":"a","up":true}]}',
    }),
    [],
  );
});

Deno.test("analysers find full disks, bytes and inodes, with their figures", async () => {
  const line = "/dev/vda ext4 1000000 990000 10000 99 1000 10 1 rw /var";
  const found = await findingsIn({
    "system/disk.txt": `${diskHeader}${line}\n/dev/vdb ext4 1000000 1 999999 1 1000 950 95 rw /srv\n` +
      "/dev/vdc ext4 1000000 1 999999 1 1000 1 1 ro /data\n",
  });
  deepStrictEqual(found.map(({ id, severity }) => `${id} ${severity}`), [
    "disk-full critical",
    "inodes-full warning",
    "read-only warning",
  ]);
  deepStrictEqual(found[0]!.evidence, [
    "966.8MiB used, 9.8MiB available, 10 of 1000 inodes used (ext4 on /dev/vda)",
  ]);
  strictEqual(found[0]!.artifact, "system/disk.txt");
  match(found[0]!.title, /\/var is 99 % full/);
});

Deno.test("analysers find out that memory is short, and who was killed for it", async () => {
  const found = await findingsIn({
    "system/meminfo": "MemTotal: 1000000 kB\nMemAvailable: 30000 kB\n",
    "system/pressure.txt": "==> /proc/pressure/memory <==\nsome avg10=50.00 avg60=60.00 avg300=9.00 total=1\n" +
      "full avg10=40.00 avg60=45.00 avg300=9.00 total=1\n",
    "system/cgroup-memory.txt": "current max oom oom_kill high group\n1 2 3 3 0 /\n1 2 3 3 0 /system.slice\n" +
      "1 2 3 3 0 /system.slice/app.service\n",
    "kernel/dmesg.log": "2026 [ 9.0] error: Out of memory: Killed process 42 (app) total-vm:1kB\n".repeat(20),
  });
  deepStrictEqual(found.map(({ id, severity }) => `${id} ${severity}`), [
    "memory-low critical",
    "oom-group critical",
    "pressure-memory critical",
    "oom-kill critical",
  ]);
  match(found[1]!.title, /app\.service$/);
  strictEqual(found[3]!.evidence.length, 10);
  match(found[2]!.title, /45 % of the last minute/);
  strictEqual(found[3]!.title, "The kernel killed app for lack of memory (20 lines)");
});

Deno.test("analysers tell a clock that is off from one server that is", async () => {
  const off = "a.test offset-ms=-90000 delay-ms=3 stratum=2\n";
  deepStrictEqual(await idsIn({ "system/ntp.txt": off + "b.test offset-ms=-89990 delay-ms=3 stratum=2\n" }), [
    "clock-off critical",
  ]);
  const fine = "b.test offset-ms=1 delay-ms=3 stratum=2\nc.test offset-ms=2 delay-ms=3 stratum=2\n";
  deepStrictEqual(await idsIn({ "system/ntp.txt": off + fine }), []);
  deepStrictEqual(await idsIn({ "system/ntp.txt": "a.test error=no answer within 1 s\n" }), [
    "ntp-unreachable warning",
  ]);
  deepStrictEqual(await idsIn({ "system/clock.txt": "now: 1970-01-01T00:01:00.000Z\nclock-set: no\n" }), [
    "clock-unset critical",
  ]);
});

Deno.test("certificatesAnalyser() finds what is over, soon over, and too early", async () => {
  const day = 86_400_000;
  const now = Date.UTC(2026, 10, 20);
  const line = (name: string, from: number, until: number): string =>
    `/etc/${name}: from=${new Date(from).toISOString()} until=${
      new Date(until).toISOString()
    } subject="CN=x" issuer="CN=y"\n`;
  const text = line("over.crt", now - 90 * day, now - day) + line("soon.crt", now - 85 * day, now + 5 * day) +
    line("early.crt", now + day, now + 90 * day) + line("fine.crt", now - day, now + 365 * day) +
    line("short-lived.crt", now - day / 24, now + day / 24) + line("three-days.crt", now - day / 24, now + 3 * day);
  const found = await certificatesAnalyser(() => now).analyse(() => Promise.resolve(text), []);
  deepStrictEqual(found.map(({ id, title }) => `${id} ${title}`), [
    "certificate-expired Expired: /etc/over.crt",
    "certificate-expiring Soon to expire: /etc/soon.crt",
    "certificate-short Holds for less than a week: /etc/three-days.crt",
    "certificate-early Not yet valid: /etc/early.crt",
  ]);
});

Deno.test("analysers find name servers and destinations that do not answer", async () => {
  const found = await findingsIn({
    "network/reachability.txt": "test target family result ms detail\n" +
      "dns-a 192.0.2.1 ipv4 fail 2000 no answer within 2 s\ndns-aaaa 192.0.2.1 ipv4 fail 2000 no answer within 2 s\n" +
      "tcp c.test:2514 ipv4 fail 2000 no answer\ntcp c.test:2514 ipv6 none 1 no address\n",
  });
  deepStrictEqual(found.map(({ id, severity }) => `${id} ${severity}`), [
    "dns-failing critical",
    "destination-unreachable critical",
  ]);
});

Deno.test("analysers find failed units, restart loops and pods that crash", async () => {
  deepStrictEqual(
    await idsIn({
      "services/systemd-failed.txt": "  UNIT LOAD ACTIVE SUB DESCRIPTION\n● app.service loaded failed failed App\n",
      "services/systemd-services.txt": "Id=ok.service\nNRestarts=0\nSubState=running\n\n" +
        "Id=app.service\nNRestarts=41\nSubState=auto-restart\nResult=exit-code\n",
      "services/supervised.txt": "service state pid since deaths\n/run/service/app down 0 - 9\n",
      "kube/pods.txt":
        "NAMESPACE NAME READY STATUS RESTARTS AGE\na b 0/1 CrashLoopBackOff 12 (1m ago) 1h\na c 0/1 Pending 0 1h\n",
      "kube/nodes.txt": "NAME STATUS ROLES\nn1 NotReady worker\n",
    }),
    [
      "failed-units warning",
      "restart-loop critical",
      "restart-loop critical",
      "pods-failing critical",
      "pods-pending warning",
      "nodes-not-ready critical",
    ],
  );
});

Deno.test("analysers read the agent's own state: spool, sinks, drops; what was intended is no finding", async () => {
  const state = {
    spool: { usedBytes: 99, maxBytes: 100, records: 7, drops: [{ reason: "spoolFull", records: 5, intended: false }] },
    sources: [{ id: "files", drops: [{ reason: "rule", records: 900, intended: true }] }],
    sinks: [{ id: "main", up: false, lastError: "refused" }],
    certificate: { ok: false, problem: "expired" },
  };
  const found = await findingsIn({ "agent/state.json": JSON.stringify(state) });
  deepStrictEqual(found.map(({ id }) => id), ["spool-full", "sink-down", "records-dropped", "agent-certificate"]);
  deepStrictEqual(found[2]!.evidence, ["spool: 5 records, spoolFull"]);
});

Deno.test("analysers read what agent cert status says", async () => {
  const ids = (facts: unknown): Promise<readonly string[]> =>
    idsIn({ "agent/certificate.json": JSON.stringify(facts) });
  deepStrictEqual(await ids({ present: true, ok: true, needsRenewal: false }), []);
  deepStrictEqual(await ids({ present: true, ok: true, needsRenewal: true }), ["certificate-expiring warning"]);
  deepStrictEqual(await ids({ present: true, ok: false, chain: "expired" }), ["agent-certificate critical"]);
  deepStrictEqual(await ids({ present: false }), ["agent-certificate critical"]);
});

Deno.test("analysers read the spool of an agent that may not run any more", async () => {
  const config = { "agent/configuration.resolved.json": '{"spool":{"maxBytes":1000}}' };
  const spool = {
    bytes: 900,
    damagedBytes: 0,
    missingRecords: 0,
    readers: [{ id: "main", held: 7 }],
    untold: { full: 0 },
  };
  deepStrictEqual(await idsIn({ ...config, "agent/spool.json": JSON.stringify(spool) }), ["spool-growing critical"]);
  // Segments that everybody has read go with the next one: they are no trouble.
  const read = { ...spool, readers: [{ id: "main", held: 0 }] };
  deepStrictEqual(await idsIn({ ...config, "agent/spool.json": JSON.stringify(read) }), []);
  const hurt = { ...read, damagedBytes: 12, untold: { full: 3 } };
  const [loss] = await findingsIn({ "agent/spool.json": JSON.stringify(hurt) });
  deepStrictEqual(loss!.evidence, ["12 bytes are damaged", "3 records dropped: full"]);
});

Deno.test("analysers see the signs of trouble in logs, each line once", async () => {
  const lines: Readonly<Record<string, string>> = {
    "disk-error": "kernel: blk_update_request: I/O error, dev sda, sector 1",
    "remounted-read-only": "kernel: EXT4-fs (sda1): Remounting filesystem read-only",
    "disk-full-log": "app: write failed: No space left on device",
    "kernel-trace": "kernel: INFO: task app:1 blocked for more than 120 seconds.",
    "segfault": "kernel: app[1]: segfault at 0 ip 00 sp 00 error 4",
    "logs-dropped": "systemd-journald[1]: Suppressed 120 messages from app.service",
    "certificate-refused": "app: x509: certificate has expired or is not yet valid",
    "network-trouble": "kernel: nf_conntrack: table full, dropping packet",
    "clock-jump": "systemd[1]: Time has been changed",
    "too-many-files": "app: accept: Too many open files",
    "overheating": "kernel: CPU0: Core TEMPERATURE above threshold, cpu clock throttled",
  };
  const prefix = "2026-11-20T20:00:00+00:00 host1 ";
  for (const [id, line] of Object.entries(lines)) {
    deepStrictEqual(
      (await findingsIn({ "logs/var/log/syslog": `${prefix}${line}\n` })).map((one) => one.id),
      [id],
      line,
    );
  }
  for (
    const line of [
      "rsyslogd: imuxsock: lost 12 messages from pid 7 due to rate-limiting",
      "rsyslogd-pstats: main Q: origin=core.queue size=0 discarded.full=3 discarded.nf=0",
      "kernel: net_ratelimit: 12 callbacks suppressed",
      "--- gap: 40 records were overwritten before they were read",
    ]
  ) deepStrictEqual(await idsIn({ "kernel/dmesg.log": `${prefix}${line}\n` }), ["logs-dropped warning"], line);
  const loop = `${prefix}systemd[1]: app.service: Scheduled restart job, restart counter is at 5.\n`;
  deepStrictEqual(await idsIn({ "logs/var/log/messages.1": loop.repeat(2) }), []);
  deepStrictEqual(await idsIn({ "logs/var/log/messages": loop.replace("at 5", "at 14") }), [
    "restart-loop-log critical",
  ]);
  const titleOf = async (...lines: readonly string[]): Promise<string> =>
    (await findingsIn({ "logs/var/log/messages": lines.map((line) => `${prefix}${line}\n`).join("") }))[0]!.title;
  const restarts = ["a@1", "b", "c", "d", "a@1"].map((unit) =>
    `systemd[1]: ${unit}.service: Scheduled restart job, restart counter is at 5.`
  );
  const units = "a@1.service, b.service, c.service and more";
  strictEqual(await titleOf(...restarts), `Started again and again: ${units} (5 lines)`);
  strictEqual(await titleOf("kernel: app[812]: segfault at 0 ip 0"), "app crashed (1 line)");
  strictEqual(await titleOf("kernel: traps: db[8] general trap invalid opcode"), "db crashed (1 line)");
  strictEqual(await titleOf("x: dumped core"), "Programs crashed (1 line)");
  deepStrictEqual(await idsIn({ "logs/var/log/messages.1": loop.repeat(3) }), ["restart-loop-log critical"]);
  deepStrictEqual(await idsIn({ "logs/var/log/messages": "1970-01-01T00:00:09Z host1 app: up\n" }), [
    "time-in-1970 info",
  ]);
});

Deno.test("analysers pass a line of eight megabytes and binary noise over", async () => {
  const noise = "a:/=".repeat(2_000_000) + "\n" + "\0\x01\xff Out of memor\n".repeat(10_000);
  deepStrictEqual(await idsIn({ "kernel/dmesg.log": noise }), []);
});
