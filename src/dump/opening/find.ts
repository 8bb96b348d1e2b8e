/** Finds the bundle that a person means: a path, an address, or part of an id or a pattern in a folder or an HTTP listing. */
import { join } from "node:path";
import { matchesGlob, parseGlobs } from "../../formats/glob.ts";
import { failure, UsageError } from "../../pipeline/errors.ts";
import type { CredentialFiles } from "../../tls/credentials.ts";
import { exchange, readText, shownUrl } from "../http.ts";
import { type BundleFile, keepStream, openBundleFile } from "./bundle_file.ts";
import { namesInListing } from "./listing.ts";
import { shownText } from "./names.ts";

/** Where to look, and how to ask there. */
export interface FindOptions {
  /** Folder to look in; default: the current one. */
  readonly folder?: string;
  /** Address of a listing: a folder of a web server, or a bucket. */
  readonly from?: string;
  readonly tls?: CredentialFiles;
  /** Sent to `from`; for tokens. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Where what is fetched waits, encrypted as it is and without a name. */
  readonly temporaryFolder: string;
  readonly maxFetchBytes: number;
  readonly signal: AbortSignal;
}

/** Opens what `word` means. The caller disposes it. @throws {UsageError} when nothing or several things are meant */
export async function findBundle(word: string, options: FindOptions): Promise<BundleFile> {
  if (/^https?:\/\//.test(word)) return await fetchBundle(new URL(word), options);
  if (word === "-") {
    return await keepStream("stdin", Deno.stdin.readable, options.temporaryFolder, options.maxFetchBytes);
  }
  if (options.from !== undefined) {
    const base = listingUrl(options.from);
    const name = pick(word, await readListing(base, options), shownUrl(base));
    return await fetchBundle(new URL(encodeURI(name).replaceAll("?", "%3F").replaceAll("#", "%23"), base), options);
  }
  if (options.folder === undefined && isFile(word)) return openBundleFile(word);
  const folder = options.folder ?? ".";
  return openBundleFile(join(folder, pick(word, listFolder(folder), folder)));
}

/**
 * The one name among `names` that has `word` in it, or matches it as a pattern; upper and lower case are the same.
 * @throws {UsageError} when there is none, or more than one
 */
export function pick(word: string, names: readonly string[], where: string): string {
  const lower = word.toLowerCase();
  const globs = /[*?[{]/.test(word) ? parseGlobs(`*${lower}*`) : undefined;
  const matches = names.filter((name) => {
    if (!/\.(tar\.gz|tgz|age)$/.test(name)) return false;
    const last = name.split("/").at(-1)!.toLowerCase();
    return name === word || (globs === undefined ? last.includes(lower) : matchesGlob(globs, last));
  });
  const exact = matches.find((name) => name === word);
  if (matches.length === 1 || exact !== undefined) return exact ?? matches[0]!;
  if (matches.length === 0) {
    throw new UsageError(`no bundle in ${shownText(where)} has "${shownText(word)}" in its name`);
  }
  const shown = matches.slice(0, maxShown).map((name) => `  ${shownText(name)}`).join("\n");
  const more = matches.length > maxShown ? `\n  and ${matches.length - maxShown} more` : "";
  throw new UsageError(
    `${matches.length} bundles in ${shownText(where)} match "${
      shownText(word)
    }":\n${shown}${more}\nTry: more of the name`,
  );
}

async function fetchBundle(url: URL, options: FindOptions): Promise<BundleFile> {
  const answer = await exchange({
    method: "GET",
    url,
    ...(options.headers === undefined ? {} : { headers: options.headers }),
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    stallMs: 60_000,
    signal: options.signal,
  });
  if (answer.status !== 200) {
    answer.cancel();
    throw new Error(`Cannot fetch ${shownUrl(url)}: the server answered ${answer.status}`);
  }
  return await keepStream(shownUrl(url), answer.body, options.temporaryFolder, options.maxFetchBytes);
}

/** All names of a listing; a bucket gives a thousand at a time. */
async function readListing(base: URL, options: FindOptions): Promise<readonly string[]> {
  const names: string[] = [];
  let page = new URL(base);
  for (let pages = 0; pages < maxPages; pages++) {
    const answer = await exchange({
      method: "GET",
      url: page,
      ...(options.headers === undefined ? {} : { headers: options.headers }),
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      stallMs: 60_000,
      signal: options.signal,
    });
    const text = await readText(answer, maxListingBytes);
    if (answer.status !== 200) throw new Error(`Cannot list ${shownUrl(base)}: the server answered ${answer.status}`);
    const listing = namesInListing(text, base);
    names.push(...listing.names);
    if (!listing.isTruncated || listing.names.length === 0) return names;
    page = new URL(base);
    page.searchParams.set("marker", listing.names.at(-1)!);
  }
  throw new Error(`Cannot list ${shownUrl(base)}: it has more than ${maxPages} pages\nTry: a more exact address`);
}

function listingUrl(text: string): URL {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) throw new UsageError(`--from: no http or https URL`);
  const url = new URL(text);
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

function listFolder(folder: string): readonly string[] {
  try {
    return [...Deno.readDirSync(folder)].filter(({ isFile }) => isFile).map(({ name }) => name);
  } catch (error) {
    throw failure("look for bundles in", `"${folder}"`, error);
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

const maxShown = 20;
const maxPages = 50;
const maxListingBytes = 4 * 1024 * 1024;
