/** Other machines, as people name them: what ssh takes, or the address of an agent's status server. */
import { UsageError } from "../../pipeline/errors.ts";

/** One machine to ask. */
export type NodeAddress =
  | { readonly kind: "ssh"; readonly name: string; readonly host: string; readonly port?: number }
  | { readonly kind: "http"; readonly name: string; readonly url: URL };

/**
 * The machines in `a,user@b:2222,https://c:8443`. @throws {UsageError} for what is none, and for one that is named twice;
 * a name that begins with `-` is none: ssh would take it for an option
 */
export function parseNodes(list: string): readonly NodeAddress[] {
  const names = list.split(",").map((name) => name.trim()).filter((name) => name !== "");
  if (names.length === 0) throw new UsageError("--nodes: none are named\nTry: --nodes a,user@b,https://c:8443");
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UsageError(`--nodes: "${twice}" is named twice`);
  return names.map(parseNode);
}

function parseNode(name: string): NodeAddress {
  if (/^https?:\/\//.test(name) && URL.canParse(name)) {
    const url = new URL(name);
    if (!url.pathname.endsWith("/")) url.pathname += "/";
    return { kind: "http", name: `${url.hostname}${url.port === "" ? "" : `:${url.port}`}`, url };
  }
  const [, host, port] = /^((?:[\w.-]+@)?(?:[\w.-]+|\[[0-9a-fA-F:.]+\]))(?::(\d{1,5}))?$/.exec(name) ?? [];
  if (host === undefined || host.startsWith("-") || host.includes("@-")) {
    throw new UsageError(`--nodes: "${name}" is no machine\nTry: host, user@host:port, or https://host:port`);
  }
  return { kind: "ssh", name, host: host.replace(/[[\]]/g, ""), ...(port === undefined ? {} : { port: Number(port) }) };
}
