/** The table of protocols. */
import { certifix } from "./certifix.ts";
import { est } from "./est.ts";
import type { EnrolmentProtocol } from "./protocol.ts";

export const protocols: Readonly<Record<"certifix" | "est", EnrolmentProtocol>> = { certifix, est };
