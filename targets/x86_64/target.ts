/** 64-bit PCs, VMs and most cluster nodes; needs glibc 2.27. */
import type { Target } from "../mod.ts";

/** See {@linkcode Target}. */
export const target: Target = {
  name: "x86_64",
  triple: "x86_64-unknown-linux-gnu",
  elfMachine: 62,
  loader: "/lib64/ld-linux-x86-64.so.2",
  runtimePackage: "@deno/linux-x64-glibc",
  runtimeSha256: "dc480c462c8c3582524f3e75c160613d0a975e1f66b5465995d58bae236da7d3",
  packedBudgetBytes: 48 * 1024 * 1024,
  compiledBudgetBytes: 96 * 1024 * 1024,
  emulator: {
    program: "/usr/bin/qemu-x86_64-static",
    libraries: "/usr/x86_64-linux-gnu",
    magic: "\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\x3e\\x00",
    mask: "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff",
  },
};
