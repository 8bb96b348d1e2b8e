/** Why a bundle cannot be opened, so that a program can tell a damaged file from a missing key. */

/** `key`: no key fits · `damaged`: not what was sealed · `format`: no bundle at all · `limit`: larger than is allowed. */
export type BundleFault = "key" | "damaged" | "format" | "limit";

/** A bundle that cannot be opened, or not to its end. */
export class BundleError extends Error {
  override readonly name = "BundleError";
  readonly fault: BundleFault;

  constructor(fault: BundleFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}
