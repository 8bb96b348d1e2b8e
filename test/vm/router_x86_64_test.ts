/** See `router_case.ts`. */
import { testRouter } from "./router_case.ts";

testRouter({
  architecture: "amd64",
  target: "x86_64",
  memoryMiB: 256,
  bootDeadlineMs: 240_000,
  deadlineMs: 240_000,
  pauseSeconds: 1,
  isShort: false,
});
