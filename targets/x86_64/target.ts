/** 64-bit PCs, VMs and most cluster nodes; needs glibc. */
import type { Target } from "../mod.ts";

/** See {@linkcode Target}. */
export const target: Target = {
  name: "x86_64",
  triple: "x86_64-unknown-linux-gnu",
  runtimePackage: "@deno/linux-x64-glibc",
  runtimeSha256: "dc480c462c8c3582524f3e75c160613d0a975e1f66b5465995d58bae236da7d3",
  packedBudgetBytes: 48 * 1024 * 1024,
  emulator: "qemu-x86_64",
};
