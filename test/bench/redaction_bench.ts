/** How fast `agent dump` makes logs safe, and in how much memory: one process per text, generated while it is redacted. */
import process from "node:process";
import { type Identities, noIdentities } from "../../src/dump/redaction/identities.ts";
import { openRedactor } from "../../src/dump/redaction/redactor.ts";

/** Measures and prints a table in Markdown. Words: `--megabytes N` per text (default 256). */
export async function run(words: readonly string[]): Promise<void> {
  const at = words.indexOf("--megabytes");
  const megabytes = at >= 0 ? Number(words[at + 1]) : 256;
  const write = (line: string): number => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  write(`| text, ${megabytes} MB | MB/s | MB per second of CPU | peak RSS, MiB |\n| --- | --- | --- | --- |`);
  for (const [name, lines] of Object.entries(texts)) {
    const { ms, cpuMs, peakMiB } = await measure(lines, megabytes);
    write(
      `| ${name} | ${(1_000 * megabytes / ms).toFixed(0)} | ${(1_000 * megabytes / cpuMs).toFixed(0)} | ${peakMiB} |`,
    );
  }
}

async function measure(
  lines: readonly string[],
  megabytes: number,
): Promise<{ ms: number; cpuMs: number; peakMiB: number }> {
  const redactor = openRedactor({ mode: "full", identities });
  const block = blockOf(lines);
  const start = performance.now();
  const cpu = process.cpuUsage();
  let peak = 0;
  let chunks = 0;
  const { content } = redactor.redact(repeated(block, megabytes * 1_000_000), {
    path: "logs/messages.log",
    kind: "log",
  });
  for await (const _ of content) if (chunks++ % 64 === 0) peak = Math.max(peak, Deno.memoryUsage().rss);
  const { user, system } = process.cpuUsage(cpu);
  return { ms: performance.now() - start, cpuMs: (user + system) / 1_000, peakMiB: Math.round(peak / 1_048_576) };
}

async function* repeated(block: Uint8Array, sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let left = sizeBytes; left > 0; left -= block.length) yield await Promise.resolve(block.slice(0, left));
}

/** 64 KiB of lines with changing numbers. */
function blockOf(lines: readonly string[]): Uint8Array {
  let text = "";
  for (let i = 0; text.length < 65_536; i++) {
    const line = lines[i % lines.length]!;
    text += line.replaceAll("%d", () =>
      String((i * 7_919) % 256)).replaceAll("%s", () => String(i % 60).padStart(2, "0")) + "\n";
  }
  return new TextEncoder().encode(text);
}

const identities: Identities = {
  ...noIdentities,
  hosts: ["router-7.plant.example.net", "router-8.plant.example.net"],
  domains: ["plant.example.net"],
  users: ["petra", "jonas"],
  addresses: ["192.0.2.7"],
};
const texts: Readonly<Record<string, readonly string[]>> = {
  "syslog": [
    "Nov 20 23:48:%s router-7 sshd[4%d]: Accepted publickey for petra from 10.1.%d.%d port 5%d ssh2",
    "Nov 20 23:48:%s router-7 systemd[1]: Started session-%d.scope - Session %d of User petra.",
    "Nov 20 23:48:%s router-7 kernel: [1%d.123456] usb 1-1: new high-speed USB device number %d using xhci_hcd",
    "Nov 20 23:48:%s router-7 CRON[3%d]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
  ],
  "k3s": [
    '2026-11-20T23:48:%s.123456Z stdout F I1120 23:48:%s.123 controller.go:1%d] "Updated" pod="kube-system/coredns-5d78c9869d-abcde" ip=10.42.%d.%d latency=12.5ms',
    'time="2026-11-20T23:48:%sZ" level=info msg="Reconciling ETCDSnapshotFile resources" node=router-7 count=%d',
    'E1120 23:48:%s.0 1 reflector.go:147] k8s.io/client-go: Failed to watch *v1.Node: Get "https://127.0.0.1:6444/api/v1/nodes?resourceVersion=%d": connection refused',
  ],
  "with a secret in every tenth line": [
    ...Array.from({ length: 9 }, () => "2026-11-20T23:48:%s app[%d]: request served in %d ms, status 200, bytes 1%d"),
    "2026-11-20T23:48:%s app[%d]: retry with Authorization: Bearer abcdefghijklmnop%dqrstuv",
  ],
};
