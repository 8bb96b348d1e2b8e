/** What both ways to another machine have in common: a dump is asked for, and comes as a stream. */
import type { DumpProfile } from "../collector.ts";

/** What the other machine shall gather. */
export interface RemoteWish {
  readonly profile: DumpProfile;
  readonly since?: Date;
  readonly until?: Date;
  /** For the dump over there, milliseconds. */
  readonly deadlineMs: number;
}

/** A dump of another machine on its way. */
export interface RemoteDump {
  /** The bundle, plain or sealed; ends with an error when the way breaks. */
  readonly content: AsyncIterable<Uint8Array>;
  /** To be asked when `content` has ended: why it is not whole, undefined when it is. */
  outcome(): Promise<string | undefined>;
}
