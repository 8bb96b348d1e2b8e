/** Values of sinks over HTTP as people write them, for the file and for the quick form. Pure. */

/** A path of a request, with its query. @throws with what is allowed */
export function parsePath(path: string): string {
  if (!/^\/[!-~]*$/.test(path) || path.includes("#")) {
    throw new Error(`"${path}" is not a path; it begins with "/" and has no spaces and no "#"`);
  }
  return path;
}

/** The name of an index or data stream. @throws with what is allowed */
export function parseIndex(index: string): string {
  if (!/^[^\s"*\\<>|,#/?:A-Z_+\-.][^\s"*\\<>|,#/?:A-Z]{0,254}$/.test(index)) {
    throw new Error(
      `"${index}" is not the name of an index; allowed: lower case, none of \\ / * ? " < > | , # : and space`,
    );
  }
  return index;
}
