import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { endpointText, formatAddresses6, formatRoutes, formatRoutes6, parseSockets } from "./proc_net.ts";

Deno.test("endpointText() turns the words of the kernel round", () => {
  strictEqual(endpointText("0100007F:0016"), "127.0.0.1:22");
  strictEqual(endpointText("00000000000000000000000001000000:0050"), "[::1]:80");
  strictEqual(endpointText("0000000000000000FFFF00000101A8C0:01BB"), "[::ffff:192.168.1.1]:443");
  strictEqual(endpointText("B80D0120000000000000000001000000:0001"), "[2001:db8::1]:1");
});

Deno.test("parseSockets() reads states, queues and owners", () => {
  const table = "  sl  local_address rem_address   st tx_queue rx_queue\n" +
    "   0: 00000000:07E8 00000000:0000 0A 00000000:00000003 00:00000000 00000000   101        0 1681 1 0 100 0 0 10 0\n" +
    "   1: 0100007F:07E8 0200007F:1000 08 0000000A:00000000 00:00000000 00000000     0        0 77 1 0\n\n";
  deepStrictEqual(
    parseSockets(table, false).map(({ local, remote, state, sendQueue, receiveQueue, userId, inode }) => [
      local,
      remote,
      state,
      sendQueue,
      receiveQueue,
      userId,
      inode,
    ]),
    [
      ["0.0.0.0:2024", "0.0.0.0:0", "listen", 0, 3, "101", "1681"],
      ["127.0.0.1:2024", "127.0.0.2:4096", "close-wait", 10, 0, "0", "77"],
    ],
  );
});

Deno.test("formatRoutes() and formatRoutes6() speak like ip route", () => {
  const v4 = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n" +
    "eth0\t00000000\t010200C0\t0003\t0\t0\t10\t00000000\t0\t0\t0\n" +
    "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
  deepStrictEqual(formatRoutes(v4), [
    "default via 192.0.2.1 dev eth0 metric 10",
    "192.0.2.0/24 dev eth0 metric 0",
  ]);
  const zero = "0".repeat(32);
  const v6 = `fd000000000000000000000000000000 40 ${zero} 00 ${zero} 00000100 00000001 00000000 00000001     eth0\n` +
    `${zero} 00 ${zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n`;
  deepStrictEqual(formatRoutes6(v6), [
    "fd00::/64 dev eth0 metric 256",
    "default via fe80::1 dev eth0 metric 1024",
  ]);
});

Deno.test("formatAddresses6() says what is tentative", () => {
  const table = "fe800000000000000000000000000001 02 40 20 c0     eth0\n";
  deepStrictEqual(formatAddresses6(table), ["eth0 inet6 fe80::1/64 scope link tentative"]);
});
