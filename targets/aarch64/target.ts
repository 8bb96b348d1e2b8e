/** 64-bit ARM: routers, single-board computers, cluster nodes; needs glibc 2.27. */
import type { Target } from "../mod.ts";

/** See {@linkcode Target}. */
export const target: Target = {
  name: "aarch64",
  triple: "aarch64-unknown-linux-gnu",
  elfMachine: 183,
  loader: "/lib/ld-linux-aarch64.so.1",
  runtimePackage: "@deno/linux-arm64-glibc",
  runtimeSha256: "e1a70c5eb03b0ebaf761077029ef86b9ba22d50e2b54ca45ce5437457f701b63",
  packedBudgetBytes: 48 * 1024 * 1024,
  compiledBudgetBytes: 96 * 1024 * 1024,
  emulator: {
    program: "/usr/bin/qemu-aarch64-static",
    libraries: "/usr/aarch64-linux-gnu",
    magic: "\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00",
    mask: "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff",
  },
};
