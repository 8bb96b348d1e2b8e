/** See `router_case.ts`. Its processor is emulated on any host but its own: two boots, and fewer lines. */
import { testRouter } from "./router_case.ts";

testRouter({
  architecture: "arm64",
  target: "aarch64",
  memoryMiB: 256,
  bootDeadlineMs: 240_000,
  deadlineMs: 240_000,
  pauseSeconds: 3,
  isShort: true,
});
