/**
 * The kernel's table of TCP connections, `/proc/net/tcp` and `/proc/net/tcp6` (proc(5)): addresses as 32-bit words in the
 * order of the machine, little-endian on all that we build for. Pure.
 *
 * ```text
 *   sl  local_address rem_address   st tx_queue:rx_queue …
 *   0: 0100007F:36DA 0100007F:0CEA 01 00000000:00000000 …
 * ```
 */

/** One connection as the table shows it. */
export interface TcpEntry {
  /** 1 is ESTABLISHED, 8 is CLOSE_WAIT. */
  readonly state: number;
  /** Bytes that were written here and are not acknowledged by the other end's kernel. */
  readonly sendQueueBytes: number;
}

/** `0100007F:36DA` of 127.0.0.1 port 14042; undefined for what is not an IP address. An IPv6 zone is left out. */
export function tableAddress(address: string, port: number): string | undefined {
  const bytes = address.includes(":") ? ipv6Bytes(address.replace(/%.*$/, "")) : ipv4Bytes(address);
  if (bytes === undefined) return undefined;
  let text = "";
  for (let word = 0; word < bytes.length; word += 4) {
    for (let i = 3; i >= 0; i--) text += hex(bytes[word + i]!, 2);
  }
  return `${text}:${hex(port, 4)}`;
}

/** The entry of a connection, in some rows of the table; undefined where it is not among them or is cut off. */
export function findTcpEntry(rows: string, local: string, remote: string): TcpEntry | undefined {
  const key = `${local} ${remote} `;
  const at = rows.indexOf(key);
  if (at < 0) return undefined;
  const found = /^([0-9A-F]{2}) ([0-9A-F]{8}):/.exec(rows.slice(at + key.length, at + key.length + 12));
  if (found === null) return undefined;
  return { state: parseInt(found[1]!, 16), sendQueueBytes: parseInt(found[2]!, 16) };
}

function ipv4Bytes(address: string): readonly number[] | undefined {
  const parts = address.split(".").map(Number);
  return parts.length === 4 && parts.every((part) => part >= 0 && part <= 255) ? parts : undefined;
}

function ipv6Bytes(address: string): readonly number[] | undefined {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const tail = dotted === null ? [] : ipv4Bytes(dotted[2]!);
  if (tail === undefined) return undefined;
  const text = dotted === null ? address : dotted[1]!.replace(/([^:]):$/, "$1");
  const halves = text.split("::").map(groupBytes);
  const known = halves.reduce((sum, half) => sum + half.length, tail.length);
  if (halves.length > 2 || known > 16 || (halves.length === 1 && known !== 16)) return undefined;
  const gap = halves.length === 2 ? new Array<number>(16 - known).fill(0) : [];
  return [...halves[0]!, ...gap, ...(halves[1] ?? []), ...tail];
}

function groupBytes(groups: string): readonly number[] {
  if (groups === "") return [];
  return groups.split(":").flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]);
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, "0");
}
