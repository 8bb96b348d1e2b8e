/** Names in what web servers answer for a folder: a page of links (Apache, nginx, caddy), nginx's JSON, or a bucket's XML (S3, GCS). */

/** What one page of a listing holds. */
export interface Listing {
  /** Relative to the listing's own address, without folders above or below it. */
  readonly names: readonly string[];
  /** A bucket has more, after the last name. */
  readonly isTruncated: boolean;
}

/** The names in `text`, the listing of `base`, whose path ends with a slash. Links to elsewhere are left out. */
export function namesInListing(text: string, base: URL): Listing {
  if (/<ListBucketResult[\s>]/.test(text)) {
    return {
      names: [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => unescapeText(key!)),
      isTruncated: /<IsTruncated>\s*true\s*<\/IsTruncated>/i.test(text),
    };
  }
  return { names: text.trimStart().startsWith("[") ? namesInJson(text) : namesInLinks(text, base), isTruncated: false };
}

/** An array of names, or of objects with a `name`. */
function namesInJson(text: string): readonly string[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return [];
  }
  if (!Array.isArray(list)) return [];
  const names = list.map((one: unknown) => (one as { readonly name?: unknown } | null)?.name ?? one);
  return names.filter((name): name is string => typeof name === "string" && !name.includes("/"));
}

function namesInLinks(text: string, base: URL): readonly string[] {
  const names = new Set<string>();
  for (const [, double, single] of text.matchAll(/<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)')/gi)) {
    const link = unescapeText(double ?? single ?? "");
    if (!URL.canParse(link, base)) continue;
    const url = new URL(link, base);
    if (url.origin !== base.origin || url.search !== "" || !url.pathname.startsWith(base.pathname)) continue;
    const rest = url.pathname.slice(base.pathname.length);
    if (rest !== "" && !rest.includes("/")) names.add(decode(rest));
  }
  return [...names];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function unescapeText(text: string): string {
  const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", "#39": "'" };
  return text.replace(/&(amp|lt|gt|quot|apos|#39);/g, (_, name: string) => entities[name]!);
}
