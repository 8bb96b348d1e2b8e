/** Builds a folder that looks like a machine: a small Linux without any command, ill or well, and full of traps. */
import { gzipSync } from "node:zlib";
import { dirname, join } from "node:path";

/** A folder with the files of a map; parents are made. Content is text, bytes, or a link as `{ link }`. */
export function writeTree(root: string, files: Readonly<Record<string, string | Uint8Array | { link: string }>>): void {
  for (const [path, content] of Object.entries(files)) {
    const full = join(root, path);
    Deno.mkdirSync(dirname(full), { recursive: true });
    if (typeof content === "string") Deno.writeTextFileSync(full, content);
    else if (content instanceof Uint8Array) Deno.writeFileSync(full, content);
    else Deno.symlinkSync(content.link, full);
  }
}

/** A router with s6 and busybox, as it is found on a disk that was taken out of it. */
export function makeFakeRoot(root: string): void {
  writeTree(root, {
    "usr/lib/os-release": 'NAME="OpenWrt"\nID="openwrt"\nVERSION="24.10"\n',
    "etc/os-release": { link: "../usr/lib/os-release" },
    "etc/hostname": "router1\n",
    "etc/resolv.conf": "nameserver 192.0.2.53\nsearch lan.test\n",
    "etc/hosts": "127.0.0.1 localhost\n192.0.2.1 router1\n",
    "etc/config/system": "config timeserver 'ntp'\n\tlist server '0.openwrt.pool.test'\n",
    "etc/config/network": "config interface 'wan'\n\toption proto 'dhcp'\n",
    "proc/version": "Linux version 6.6.1\n",
    "proc/cmdline": "console=ttyS0 root=/dev/mtdblock2\n",
    "proc/uptime": "1000.00 900.00\n",
    "proc/loadavg": "0.10 0.20 0.30 1/50 77\n",
    "proc/meminfo": "MemTotal:         126976 kB\nMemFree:            1000 kB\nMemAvailable:       4000 kB\n",
    "proc/pressure/memory": "some avg10=70.00 avg60=60.00 avg300=9.00 total=1\n" +
      "full avg10=60.00 avg60=50.00 avg300=9.00 total=1\n",
    "proc/mounts": "/dev/root / squashfs ro 0 0\n",
    "proc/modules": "nf_conntrack 100 0 - Live 0x0\n",
    "proc/sys/kernel/hostname": "router1\n",
    "proc/sys/net/ipv4/ip_forward": "1\n",
    "proc/sys/net/ipv4/tcp_fastopen_key": "planted-fastopen-key\n",
    "proc/1/comm": "s6-svscan\n",
    "proc/1/cmdline": "s6-svscan\0/run/service\0",
    "proc/1/status":
      "Name:\ts6-svscan\nState:\tS (sleeping)\nPPid:\t0\nUid:\t0\t0\t0\t0\nVmRSS:\t400 kB\nThreads:\t1\n",
    "proc/1/stat": "1 (s6 svscan)) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 500 0 0\n",
    "proc/42/comm": "app\n",
    "proc/42/cmdline": "/usr/bin/app\0--listen\0:80\0",
    "proc/42/status": "Name:\tapp\nState:\tR (running)\nPPid:\t1\nUid:\t1000\t1000\t1000\t1000\nVmRSS:\t90000 kB\n",
    "proc/42/stat": "42 (app) R 1 42 42 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 900 0 0\n",
    "proc/42/limits": "Limit Soft Hard Units\nMax open files 64 64 files\n",
    "proc/42/environ":
      "HOME=/root\0APP_PASSWORD=planted-environment-secret\0=odd\0planted-environment-rest\0PATH=/bin\0",
    "proc/42/fd/3": { link: "socket:[777]" },
    "proc/42/maps": "00400000-00500000 r-xp 00000000 00:00 0  /usr/bin/app\n00600000-00700000 rw-p 00000000 00:00 0 \n",
    "proc/net/tcp": "  sl  local_address rem_address   st tx_queue\n" +
      "   0: 0100007F:0050 00000000:0000 0A 00000000:00000002 00:00000000 00000000  1000        0 777 1 0 100 0 0 10 0\n",
    "proc/net/route": "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n" +
      "eth0\t00000000\t010200C0\t0003\t0\t0\t10\t00000000\t0\t0\t0\n",
    "proc/net/if_inet6": "fe800000000000000000000000000001 02 40 20 80     eth0\n",
    "sys/class/net/eth0/operstate": "up\n",
    "sys/class/net/eth0/statistics/rx_errors": "12\n",
    "sys/fs/pstore/dmesg-ramoops-0": "<0>[    9.000000] Kernel panic - not syncing: planted\n",
    "run/service/app/supervise/status": s6Status(0),
    "run/service/app/supervise/death_tally": new Uint8Array(14 * 5),
    "var/log/messages": "Nov 20 19:00:00 router1 kernel: Out of memory: Killed process 42 (app)\n",
    "var/log/messages.1.gz": gzipSync("Nov 19 19:00:00 router1 app: yesterday\n"),
    "run/log/app/current": "@40000000691f6d00000000 torn label\n",
    "etc/ssl/agent/cert.pem": "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n",
  });
}

/** What may lie in a folder that anybody can write to. Needs `mkfifo`. @returns what must be closed */
export function plantTraps(root: string): Disposable {
  const logs = join(root, "var/log");
  Deno.mkdirSync(logs, { recursive: true });
  writeTree(logs, {
    "zero.log": { link: "/dev/zero" },
    "shadow.log": { link: "/etc/shadow" },
    "loop.log": { link: "loop.log" },
    "round": { link: "." },
    "dangling.log": { link: "nowhere" },
    "up.log": { link: "../../../../../../../../etc/hostname" },
    "new\nline.log": "a name with a line feed\n",
    [`${"long".repeat(60)}.log`]: "a name of 244 characters\n",
    "deep/1/2/3/4/5/6/7/8/9/too-deep.log": "never\n",
    "wtmp": new Uint8Array(1_024),
    "broken.gz": new Uint8Array([31, 139, 8, 0, 1, 2, 3]),
    "bin.log": crypto.getRandomValues(new Uint8Array(4_096)),
    "cut.log": "\0".repeat(5_000) + "2026-11-20T10:00:00Z after the power cut\n",
  });
  const made = new Deno.Command("mkfifo", { args: [join(logs, "pipe.log")] }).outputSync();
  if (!made.success) throw new Error("Cannot make a pipe");
  const sparse = Deno.openSync(join(logs, "sparse.log"), { write: true, create: true });
  sparse.truncateSync(2 ** 40);
  sparse.seekSync(2 ** 40, Deno.SeekMode.Start);
  sparse.writeSync(new TextEncoder().encode("\nthe end of a terabyte\n"));
  sparse.close();
  const socket = Deno.listen({ transport: "unix", path: join(logs, "socket.log") });
  return { [Symbol.dispose]: () => socket.close() };
}

/** The status file of s6-supervise: TAI64N twice, the process id, its group, wait status, flags; 43 bytes. */
function s6Status(pid: number): Uint8Array {
  const status = new Uint8Array(43);
  const view = new DataView(status.buffer);
  view.setBigUint64(0, 0x4000000000000000n + BigInt(Date.UTC(2026, 10, 20) / 1_000 + 37));
  view.setBigUint64(24, BigInt(pid));
  return status;
}
