/** The table of protocols. */
import { certifix } from "./certifix.ts";
import { est } from "./est.ts";
import type { EnrolmentProtocol } from "./protocol.ts";

/** By the names that `--protocol` and the configuration take. */
export const protocols: Readonly<Record<"certifix" | "est", EnrolmentProtocol>> = { certifix, est };
