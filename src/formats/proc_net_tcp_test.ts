import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { findTcpEntry, tableAddress } from "./proc_net_tcp.ts";

Deno.test("tableAddress() writes addresses as the kernel's table does", () => {
  strictEqual(tableAddress("127.0.0.1", 14_042), "0100007F:36DA");
  strictEqual(tableAddress("::1", 80), "00000000000000000000000001000000:0050");
  strictEqual(tableAddress("fe80::1%eth0", 1), "000080FE000000000000000001000000:0001");
  strictEqual(tableAddress("::ffff:127.0.0.1", 1), "0000000000000000FFFF00000100007F:0001");
  strictEqual(tableAddress("2001:db8:1:2:3:4:5:6", 1), "B80D0120020001000400030006000500:0001");
  strictEqual(tableAddress("/run/socket", 1), undefined);
});

Deno.test("findTcpEntry() finds the row of one connection and nobody else's", () => {
  const rows = "  sl  local_address rem_address   st tx_queue rx_queue\n" +
    "   0: 0100007F:36DA 00000000:0000 0A 00000000:00000000 00:00000000\n" +
    "   1: 0100007F:36DA 0100007F:0CEA 01 0001A2B3:00000000 00:00000000\n" +
    "   2: 0100007F:0CEA 0100007F:36DA 08 00000000:00000000 00:00000000\n";
  deepStrictEqual(findTcpEntry(rows, "0100007F:36DA", "0100007F:0CEA"), { state: 1, sendQueueBytes: 0x1a2b3 });
  deepStrictEqual(findTcpEntry(rows, "0100007F:0CEA", "0100007F:36DA"), { state: 8, sendQueueBytes: 0 });
  strictEqual(findTcpEntry(rows, "0100007F:36DA", "0100007F:0CEB"), undefined);
  strictEqual(findTcpEntry(rows.slice(0, 150), "0100007F:36DA", "0100007F:0CEA"), undefined);
});
