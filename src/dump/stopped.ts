/** The user stopped it and nothing was kept. */
export class DumpStopped extends Error {
  override readonly name = "DumpStopped";
}
