import { deepEqual } from "node:assert/strict";
import { cleanMappings } from "./program_pages.ts";

const smaps = `55d0c0000000-55d0c1b85000 r--p 00000000 fe:00 12 /opt/a b/deno
Rss:               12000 kB
Anonymous:             0 kB
AnonHugePages:         0 kB
55d0c1dfb000-55d0c5b0c000 r-xp 01b85000 fe:00 12    /opt/a b/deno
Anonymous:             0 kB
55d0c5b0c000-55d0c5d65000 r--p 05895000 fe:00 12    /opt/a b/deno
Anonymous:          2400 kB
55d0c5d65000-55d0c5d9e000 rw-p 05aed000 fe:00 12    /opt/a b/deno
Anonymous:             0 kB
55d0c6000000-55d0c6100000 rw-p 00000000 00:00 0     [heap]
Anonymous:             0 kB
7f0000000000-7f0000001000 r-xp 00000000 fe:00 13    /lib/libc.so.6
Anonymous:             0 kB
`;

Deno.test("cleanMappings() takes what is the program's file and nothing else", () => {
  deepEqual(cleanMappings(smaps, "/opt/a b/deno"), [
    { address: 0x55d0c0000000n, bytes: 0x1b85000n },
    { address: 0x55d0c1dfb000n, bytes: 0x3d11000n },
  ]);
  deepEqual(cleanMappings(smaps, "/opt/deno"), []);
});
