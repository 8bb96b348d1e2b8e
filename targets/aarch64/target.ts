/** 64-bit ARM: routers, single-board computers, cluster nodes; needs glibc. */
import type { Target } from "../mod.ts";

/** See {@linkcode Target}. */
export const target: Target = {
  name: "aarch64",
  triple: "aarch64-unknown-linux-gnu",
  runtimePackage: "@deno/linux-arm64-glibc",
  runtimeSha256: "e1a70c5eb03b0ebaf761077029ef86b9ba22d50e2b54ca45ce5437457f701b63",
  packedBudgetBytes: 48 * 1024 * 1024,
  emulator: "qemu-aarch64",
};
