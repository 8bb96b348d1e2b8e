/** Where a bundle is sent, as people write it: `https://…` is one PUT, `tus+https://…` can be continued after a break. */
import { basename } from "node:path";
import { UsageError } from "../../pipeline/errors.ts";
import { shownUrl } from "../http.ts";
import { readSecret, readSecretFile } from "../secret_input.ts";

/** Where, and by which protocol. */
export interface UploadTarget {
  readonly protocol: "put" | "tus";
  /** Of the object for `put`, of the collection for `tus`. Its query may be a secret. */
  readonly url: URL;
  /** What may be printed. */
  readonly shown: string;
}

/**
 * The target that `word` means for the file `path`: a URL (one of PUT that ends with `/` gets the file's name, as curl does
 * it), or `@FILE` whose first line is one: presigned URLs are secrets, and arguments are not. @throws {UsageError}
 */
export async function parseUploadTarget(word: string, path: string): Promise<UploadTarget> {
  const text = word.startsWith("@") ? await readSecret({ from: "file", path: word.slice(1) }) : word;
  const [, tus, rest] = /^(tus\+)?(https?:\/\/.+)$/.exec(text) ?? [];
  if (rest === undefined || !URL.canParse(rest)) {
    throw new UsageError(
      `upload target${
        word.startsWith("@") ? ` in "${word.slice(1)}"` : ""
      }: no URL\nTry: https://host/folder/, tus+https://host/files, or @FILE that holds it`,
    );
  }
  const url = new URL(rest);
  if (tus === undefined && url.pathname.endsWith("/")) url.pathname += encodeURIComponent(basename(path));
  return { protocol: tus === undefined ? "put" : "tus", url, shown: shownUrl(url) };
}

/** Request headers of a file, one `Name: value` per line; for tokens. @throws when others may read it, or a line is no header */
export function readHeadersFile(path: string): Readonly<Record<string, string>> {
  const lines = new TextDecoder().decode(readSecretFile(path)).split(/\r?\n/).filter((line) => line.trim() !== "");
  return Object.fromEntries(lines.map((line, i) => {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e]*)$/.exec(line) ?? [];
    if (name === undefined) throw new UsageError(`"${path}", line ${i + 1}: no header\nTry: Authorization: Bearer …`);
    return [name, value!.trim()];
  }));
}
