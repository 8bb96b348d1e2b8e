import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { Ipv4Map } from "./ipv4_map.ts";
import { formatIpv4, formatIpv6, ipv4Of, parseIpv4, parseIpv6 } from "./addresses.ts";
import { AddressMap, CryptoPan } from "./crypto_pan.ts";

const ipv4 = (text: string): Uint8Array => Uint8Array.from(text.split("."), Number);

Deno.test("CryptoPan maps as the reference implementation does", () => {
  // The key and trace that come with the authors' programs.
  const key = [21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16];
  const pad = [216, 152, 143, 131, 121, 121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2];
  const pan = new CryptoPan(Uint8Array.from([...key, ...pad]));
  const vectors: readonly (readonly [string, string])[] = [
    ["128.11.68.132", "135.242.180.132"],
    ["129.118.74.4", "134.136.186.123"],
    ["130.132.252.244", "133.68.164.234"],
    ["141.223.7.43", "141.167.8.160"],
    ["141.233.145.108", "141.129.237.235"],
    ["152.163.225.39", "151.140.114.167"],
    ["156.29.3.236", "147.225.12.42"],
    ["165.247.96.84", "162.9.99.234"],
    ["166.107.77.190", "160.132.178.185"],
    ["192.102.249.13", "252.138.62.131"],
  ];
  for (const [real, replaced] of vectors) strictEqual(pan.map(ipv4(real)).join("."), replaced);
});

Deno.test("AddressMap keeps common prefixes exactly, special ranges what they are, and maps no two onto one", () => {
  const map = new AddressMap(new Uint8Array(32).fill(5));
  const common = (a: Uint8Array, b: Uint8Array): number => {
    for (let bit = 0; bit < 32; bit++) if (((a[bit >> 3]! ^ b[bit >> 3]!) >> (7 - (bit & 7)) & 1) === 1) return bit;
    return 32;
  };
  const special = (a: Uint8Array): string =>
    a[0] === 10
      ? "10"
      : a[0] === 172 && a[1]! >> 4 === 1
      ? "172"
      : a[0] === 192 && a[1] === 168
      ? "192"
      : a[0]! >= 224
      ? "m"
      : "";
  let state = 1;
  const random = (): Uint8Array => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const first = [10, 172, 192, 203, 8, state >>> 24][(state >>> 8) % 6]!;
    return Uint8Array.of(
      first,
      [16, 168, 0, state >>> 16 & 255][(state >>> 5) % 4]!,
      state >>> 12 & 255,
      state >>> 20 & 255,
    );
  };
  const seen = new Map<string, string>();
  for (let i = 0; i < 2_000; i++) {
    const [a, b] = [random(), random()];
    const [x, y] = [map.map(a), map.map(b)];
    strictEqual(common(x, y), common(a, b), `${a} ${b}`);
    strictEqual(special(x), special(a));
    strictEqual(seen.get(x.join(".")) ?? a.join("."), a.join("."));
    seen.set(x.join("."), a.join("."));
  }
  for (const same of ["127.0.0.1", "0.0.0.0", "255.255.255.0", "224.0.0.251"]) {
    deepStrictEqual([...map.map(ipv4(same))], [...ipv4(same)]);
  }
});

Deno.test("Ipv4Map says what AddressMap says, whatever it has forgotten, one by one and together", () => {
  const map = new AddressMap(Uint8Array.from({ length: 32 }, (_, i) => 3 * i + 1));
  const remembered = new Ipv4Map(map);
  let state = 99;
  const random = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0);
  const heads = ["10.1.2", "172.16.0", "172.15.3", "192.168.0", "192.169.1", "127.0.0", "224.0.1", "223.255.255"];
  heads.push("255.255.255", "0.0.1", "8.8.8", "100.64.1", "100.63.9", "169.254.0", "169.255.0");
  for (let left = 60_000; left > 0;) {
    const count = Math.min(left, [1, 2, 300, 5_000][random() >>> 30]!);
    const addresses = Uint32Array.from({ length: count }, (_, i) => {
      const octets = heads[(random() >>> 8) % heads.length]!.split(".").map(Number);
      return i % 3 === 0
        ? random()
        : octets[0]! * 2 ** 24 + octets[1]! * 2 ** 16 + octets[2]! * 256 + (random() >>> 24);
    });
    const mapped = new Uint32Array(count);
    remembered.map(addresses, count, mapped);
    mapped.forEach((value, i) => {
      strictEqual(
        formatIpv4(ipv4Of(value)),
        formatIpv4(map.map(ipv4Of(addresses[i]!))),
        formatIpv4(ipv4Of(addresses[i]!)),
      );
    });
    left -= count;
  }
});

Deno.test("parseIpv6() and formatIpv6() agree with RFC 5952", () => {
  for (
    const [text, canonical] of [
      ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
      ["::", "::"],
      ["::1", "::1"],
      ["fe80::", "fe80::"],
      ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
      ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
      ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ] as const
  ) strictEqual(formatIpv6(parseIpv6(text)!), canonical);
  for (const text of ["1:2:3", ":::", "1::2::3", "12345::", "g::", "1:2:3:4:5:6:7:8:9", "::1.2.3.400"]) {
    strictEqual(parseIpv6(text), undefined);
  }
  const bytes = new TextEncoder().encode("1.2.3.4");
  deepStrictEqual([...parseIpv4(bytes, 0, bytes.length)!.address], [1, 2, 3, 4]);
  ok(parseIpv4(new TextEncoder().encode("1.2.3.256"), 0, 9) === undefined);
});
