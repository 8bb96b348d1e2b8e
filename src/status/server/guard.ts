/**
 * What a request must look like before anything is done for it. A page of another origin can make a browser send requests here, and a
 * name of its own can be made to point here (DNS rebinding): the browser then says where the request comes from, and under which name.
 * Pure.
 */

/** What of a request's head is looked at. Names of headers are in lower case. */
export interface RequestHead {
  readonly method: string;
  /** As sent, before anything is decoded. */
  readonly target: string;
  header(name: string): string | undefined;
}

/** What the server knows of itself. */
export interface OwnNames {
  readonly scheme: "http" | "https";
  /** In lower case, without ports. */
  readonly names: readonly string[];
}

/** An answer that ends a request. */
export interface Refused {
  readonly status: 400 | 403 | 405 | 414 | 421;
  readonly text: string;
}

/** Why the target cannot be one of ours: only plain paths are served, nothing encoded, no `.` or `..`. */
export function complaintOfTarget(target: string): Refused | undefined {
  if (target.length > maxTargetLength) return { status: 414, text: "the address is too long" };
  const [, path] = /^([^?]*)(?:\?[!-~]*)?$/.exec(target) ?? [];
  if (path === undefined || !/^(\/[A-Za-z0-9_.-]*)+$/.test(path) || /\/(\.{1,2}(\/|$)|\/)/.test(path)) {
    return { status: 400, text: "this is no address of this server" };
  }
  return undefined;
}

/** Why the request is not served, undefined when it may go on. */
export function complaintOfOrigin(head: RequestHead, own: OwnNames): Refused | undefined {
  const host = head.header("host");
  if (host === undefined || !isOwnHost(host, own.names)) {
    return {
      status: 421,
      text: `this server is not "${(host ?? "").slice(0, 100)}"; the key status.hosts lists its names`,
    };
  }
  const origin = head.header("origin");
  if (origin !== undefined && origin.toLowerCase() !== `${own.scheme}://${host.toLowerCase()}`) {
    return { status: 403, text: "requests from pages of other origins are not served" };
  }
  const site = head.header("sec-fetch-site");
  const elsewhere = site === "cross-site" || site === "same-site";
  const followsLink = head.method === "GET" && head.header("sec-fetch-mode") === "navigate";
  if (elsewhere && !followsLink) return { status: 403, text: "requests from other sites are not served" };
  return undefined;
}

/**
 * Whether a browser sent it, which may have been told to by somebody else: only such a request needs the proof that it comes from our
 * page. All browsers send `Origin` with a POST.
 */
export function isFromBrowser(head: RequestHead): boolean {
  return ["origin", "sec-fetch-site", "cookie", "referer"].some((name) => head.header(name) !== undefined);
}

/** An address cannot be rebound, a name can: of names the own ones alone are taken. */
function isOwnHost(host: string, names: readonly string[]): boolean {
  const [, name] = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/.exec(host) ?? [];
  if (name === undefined) return false;
  const isAddress = name.startsWith("[") || /^\d{1,3}(\.\d{1,3}){3}$/.test(name);
  return isAddress || name.toLowerCase() === "localhost" || names.includes(name.toLowerCase());
}

const maxTargetLength = 2_048;
