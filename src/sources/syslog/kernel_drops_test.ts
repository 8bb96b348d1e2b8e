import { strictEqual } from "node:assert/strict";
import { parseKernelDrops } from "./kernel_drops.ts";

const table =
  `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
12630: 0100007F:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 160880 2 000000000ee9be55 42
12631: 00000000:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 160881 2 000000000ee9be56 7
`;
const table6 =
  `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 1: 00000000000000000000000001000000:0202 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 5
 2: B80D0120000000000000000001000000:0202 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 6
`;

Deno.test("parseKernelDrops() finds the drops of one socket among others", () => {
  strictEqual(parseKernelDrops(table, "127.0.0.1", 514), 42);
  strictEqual(parseKernelDrops(table, "0.0.0.0", 514), 7);
  strictEqual(parseKernelDrops(table, "127.0.0.1", 515), 0);
  strictEqual(parseKernelDrops(table6, "::1", 514), 5);
  strictEqual(parseKernelDrops(table6, "2001:db8::1", 514), 6);
  strictEqual(parseKernelDrops("", "127.0.0.1", 514), 0);
});
