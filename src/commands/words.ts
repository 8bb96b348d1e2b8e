/** Values of options that are read by parsers which do not know of options. */
import { UsageError } from "../pipeline/errors.ts";

/** The result of `parse`; what it throws becomes the caller's mistake, with the option's name. @throws {UsageError} */
export function usage<T>(option: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(`${option}: ${(error as Error).message}`, { cause: error });
  }
}
