/** What the kernel dropped of a UDP socket because its buffer was full: the last column of `/proc/net/udp`. */

/** Datagrams dropped since the socket was bound; 0 where the kernel does not tell. */
export function readKernelDrops(address: { readonly hostname: string; readonly port: number }): number {
  try {
    const table = address.hostname.includes(":") ? "/proc/net/udp6" : "/proc/net/udp";
    return parseKernelDrops(Deno.readTextFileSync(table), address.hostname, address.port);
  } catch {
    return 0;
  }
}

/** Drops of the socket bound to `host` and `port` in the text of a table of `/proc/net`. */
export function parseKernelDrops(table: string, host: string, port: number): number {
  const local = `${hexAddress(host)}:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  let drops = 0;
  for (const line of table.split("\n").slice(1)) {
    const columns = line.trim().split(/\s+/);
    if (columns[1] === local) drops += Number(columns.at(-1));
  }
  return drops;
}

/** An address as the table writes it: words of four bytes, each in the order of the machine (little end first). */
function hexAddress(host: string): string {
  const bytes = host.includes(":") ? ipv6Bytes(host) : host.split(".").map(Number);
  let text = "";
  for (let word = 0; word < bytes.length; word += 4) {
    for (const byte of bytes.slice(word, word + 4).reverse()) text += byte.toString(16).toUpperCase().padStart(2, "0");
  }
  return text;
}

function ipv6Bytes(host: string): number[] {
  const [head = "", tail] = host.split("::");
  const groups = (text: string | undefined): string[] => text === undefined || text === "" ? [] : text.split(":");
  const left = groups(head);
  const right = groups(tail);
  const missing = Math.max(0, 8 - left.length - right.length);
  const all = [...left, ...Array.from({ length: missing }, () => "0"), ...right];
  return all.flatMap((group) => {
    const value = parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}
