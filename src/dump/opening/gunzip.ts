/** gzip of anybody: its damage is told in our words, and what was good before the damage is handed out. */
import { createGunzip, type Gunzip } from "node:zlib";
import { errorText } from "../../pipeline/errors.ts";
import { BundleError } from "../bundle_error.ts";

/** Expands; whatever the source throws comes through as it is, after all that it gave. @throws {BundleError} at damage */
export async function* gunzipStrict(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const expander = createGunzip({ chunkSize: 64 * 1024 });
  let sourceFailure: { readonly error: unknown } | undefined;
  const feeding = feed(packed, expander).catch((error) => {
    if (error instanceof BrokenExpander) return;
    sourceFailure = { error };
    expander.push(null); // an error would throw away what is expanded and not read yet
  });
  try {
    for await (const chunk of expander) yield chunk as Uint8Array;
  } catch (error) {
    if (sourceFailure === undefined) {
      throw new BundleError("damaged", `the compressed data is damaged or cut off: ${errorText(error)}`, {
        cause: error,
      });
    }
  } finally {
    expander.destroy();
    await feeding;
  }
  if (sourceFailure !== undefined) throw sourceFailure.error;
}

async function feed(packed: AsyncIterable<Uint8Array>, expander: Gunzip): Promise<void> {
  for await (const bytes of packed) await written(expander, bytes);
  expander.end();
}

function written(expander: Gunzip, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const broken = (): void => reject(new BrokenExpander());
    if (expander.destroyed) return broken();
    expander.once("close", broken);
    expander.write(bytes, (error) => {
      expander.off("close", broken);
      if (error === null || error === undefined) resolve();
      else broken();
    });
  });
}

/** The data was no gzip, or nobody reads on: the reader knows. */
class BrokenExpander extends Error {}
