/**
 * Who and what a machine is, read before anything is gathered and whatever is gathered: names and addresses that become
 * pseudonyms everywhere. What cannot be read is left out and said.
 */
import { join } from "node:path";
import type { Machine } from "../machine.ts";
import { formatIpv6 } from "./addresses.ts";
import { isCommonLabel, isCommonName } from "./names.ts";

/** Names and addresses of one or more machines. */
export interface Identities {
  /** Short or full, as found. */
  readonly hosts: readonly string[];
  /** Whatever stands before one of these is a host. */
  readonly domains: readonly string[];
  readonly users: readonly string[];
  /** `192.0.2.1`, `2001:db8::1`. */
  readonly addresses: readonly string[];
  /** `aa:bb:cc:dd:ee:ff`. */
  readonly macs: readonly string[];
  /** What could not be read, or was too much: redaction is weaker by that. */
  readonly problems: readonly string[];
}

/** None at all. */
export const noIdentities: Identities = { hosts: [], domains: [], users: [], addresses: [], macs: [], problems: [] };

/** Reads them from the usual places below the machine's root; never throws. `environment` gives HOME, USER and KUBECONFIG. */
export function readIdentities(
  machine: Machine,
  environment: (name: string) => string | undefined = () => undefined,
): Identities {
  return new Discovery(machine, environment).run();
}

/** Those of several machines together. */
export function joinIdentities(all: readonly Identities[]): Identities {
  const join = (pick: (one: Identities) => readonly string[]): readonly string[] => [...new Set(all.flatMap(pick))];
  return {
    hosts: join((one) => one.hosts),
    domains: join((one) => one.domains),
    users: join((one) => one.users),
    addresses: join((one) => one.addresses),
    macs: join((one) => one.macs),
    problems: join((one) => one.problems),
  };
}

class Discovery {
  readonly #machine: Machine;
  readonly #environment: (name: string) => string | undefined;
  readonly #hosts = new Set<string>();
  readonly #domains = new Set<string>();
  readonly #users = new Set<string>();
  readonly #addresses = new Set<string>();
  readonly #macs = new Set<string>();
  readonly #problems: string[] = [];

  constructor(machine: Machine, environment: (name: string) => string | undefined) {
    this.#machine = machine;
    this.#environment = environment;
  }

  run(): Identities {
    this.#host(this.#machine.hostname);
    for (const path of ["/proc/sys/kernel/hostname", "/etc/hostname"]) this.#host(this.#read(path)?.split("\n")[0]);
    this.#hostsFile(this.#read("/etc/hosts") ?? "");
    this.#resolver(this.#read("/etc/resolv.conf") ?? "");
    this.#passwords(this.#read("/etc/passwd") ?? "");
    this.#homes();
    this.#interfaces();
    this.#kubernetes();
    for (const word of [this.#environment("USER"), this.#environment("SUDO_USER"), this.#environment("LOGNAME")]) {
      this.#user(word);
    }
    return {
      hosts: this.#bounded(this.#hosts, "host names"),
      domains: this.#bounded(this.#domains, "domains"),
      users: this.#bounded(this.#users, "users"),
      addresses: this.#bounded(this.#addresses, "addresses"),
      macs: this.#bounded(this.#macs, "hardware addresses"),
      problems: this.#problems,
    };
  }

  #bounded(set: ReadonlySet<string>, what: string): readonly string[] {
    if (set.size > maxNames) {
      this.#problems.push(`only the first ${maxNames} of ${set.size} ${what} are replaced by name`);
    }
    return [...set].slice(0, maxNames);
  }

  #host(text: string | undefined): void {
    const name = text?.trim().replace(/\.$/, "").toLowerCase() ?? "";
    if (name === "" || name.length > 253 || !/^[\p{L}\p{N}._-]+$/u.test(name) || isAddress(name)) return;
    if (name.split(".").every((label) => isCommonLabel(label)) || isClusterName(name)) return;
    this.#hosts.add(name);
    const cut = name.indexOf(".");
    if (cut > 0) this.#domain(name.slice(cut + 1));
  }

  #domain(text: string): void {
    const name = text.trim().replace(/^\.|\.$/g, "").toLowerCase();
    if (!/^[\p{L}\p{N}._-]+$/u.test(name) || isClusterName(name)) return;
    // A domain of one label would take every file name that ends so for a host.
    if (name.includes(".") || (name.length > 3 && !isCommonLabel(name))) this.#domains.add(name);
  }

  #user(text: string | undefined): void {
    const name = text?.trim() ?? "";
    if (!isCommonName(name) && /^[\p{L}\p{N}._-]+\$?$/u.test(name) && name.length <= 64) this.#users.add(name);
  }

  #address(text: string): void {
    const address = text.trim().toLowerCase();
    if (isAddress(address) && !/^(?:127\.|0\.|255\.|::1?$)/.test(address)) this.#addresses.add(address);
  }

  #mac(text: string): void {
    const mac = text.trim().toLowerCase();
    if (/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/.test(mac) && mac !== "00:00:00:00:00:00") this.#macs.add(mac);
  }

  /** Lists of blocked advertisers stand here, too: names of 0.0.0.0 are nobody's, and of loopback only the first lines count. */
  #hostsFile(text: string): void {
    let loopbacks = 0;
    for (const line of text.split("\n")) {
      const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
      if (address === "" || address === "0.0.0.0" || address === "::") continue;
      if ((address.startsWith("127.") || address === "::1") && ++loopbacks > 16) continue;
      this.#address(address);
      for (const name of names) this.#host(name);
    }
  }

  #resolver(text: string): void {
    for (const line of text.split("\n")) {
      const [word, ...values] = line.trim().split(/\s+/);
      if (word === "search" || word === "domain") values.forEach((value) => this.#domain(value));
      else if (word === "nameserver" && values[0] !== undefined) this.#address(values[0].replace(/%.*/, ""));
    }
  }

  #passwords(text: string): void {
    for (const line of text.split("\n")) {
      const [name, , id, , gecos = ""] = line.split(":");
      if (Number(id) < 1000 || Number(id) === 65534 || name === undefined) continue;
      this.#user(name);
      const person = gecos.split(",")[0]!.trim();
      if (/^\p{L}[\p{L}.'-]+(?: \p{L}[\p{L}.'-]+)+$/u.test(person)) this.#users.add(person);
    }
  }

  #homes(): void {
    for (const name of this.#list("/home")) this.#user(name);
    const home = this.#environment("HOME");
    if (home !== undefined && home !== "/root" && home !== "/") this.#user(home.split("/").at(-1));
  }

  #interfaces(): void {
    for (const name of this.#list("/sys/class/net")) this.#mac(this.#read(`/sys/class/net/${name}/address`) ?? "");
    const tree = this.#read("/proc/net/fib_trie") ?? "";
    for (const match of tree.matchAll(/\|-- (\d+\.\d+\.\d+\.\d+)\s+\/32 host LOCAL/g)) this.#address(match[1]!);
    for (const line of (this.#read("/proc/net/if_inet6") ?? "").split("\n")) {
      const hex = /^[0-9a-f]{32}/.exec(line)?.[0];
      if (hex !== undefined) {
        this.#address(formatIpv6(Uint8Array.from({ length: 16 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16))));
      }
    }
  }

  /** Names in kubeconfigs, without a parser: a broken file must still give its names. */
  #kubernetes(): void {
    const home = this.#environment("HOME");
    const paths = [
      "/etc/rancher/k3s/k3s.yaml",
      "/etc/kubernetes/admin.conf",
      "/etc/kubernetes/kubelet.conf",
      "/root/.kube/config",
    ];
    if (home !== undefined) paths.push(join(home, ".kube/config"));
    paths.push(...(this.#environment("KUBECONFIG")?.split(":") ?? []).filter((path) => path.startsWith("/")));
    for (const path of new Set(paths)) {
      const text = this.#read(path) ?? "";
      for (const match of text.matchAll(/^\s*(?:- )?(?:user|name|cluster): *"?([^\s"]+)"?\s*$/gm)) {
        const [first, second] = match[1]!.split("@");
        if (!isClusterUser(first!)) this.#user(first);
        if (second !== undefined && !isClusterUser(second)) this.#host(second);
      }
      for (const match of text.matchAll(/^\s*server: *"?https?:\/\/([^\s"/]+?)(?::\d+)?\/?"?\s*$/gm)) {
        this.#host(match[1]);
      }
    }
    for (const node of this.#list("/var/lib/rancher/k3s/agent/etc/nodes")) this.#host(node);
    this.#host(/^node-name: *"?([^\s"]+)/m.exec(this.#read("/etc/rancher/k3s/config.yaml") ?? "")?.[1]);
    this.#nodeNames();
  }

  /** What kubelet and k3s were started with. */
  #nodeNames(): void {
    for (const id of this.#list("/proc").filter((name) => /^\d+$/.test(name)).slice(0, maxProcesses)) {
      const words = (this.#readQuietly(`/proc/${id}/cmdline`) ?? "").split("\0");
      for (const [i, word] of words.entries()) {
        const match = /^--(?:hostname-override|node-name)(?:=(.+))?$/.exec(word);
        if (match !== null) this.#host(match[1] ?? words[i + 1]);
      }
    }
  }

  #list(path: string): readonly string[] {
    try {
      return Array.from(Deno.readDirSync(this.#machine.locate(path)), ({ name }) => name);
    } catch (error) {
      this.#failed(path, error);
      return [];
    }
  }

  #read(path: string): string | undefined {
    try {
      return this.#readBounded(path);
    } catch (error) {
      this.#failed(path, error);
      return undefined;
    }
  }

  #readQuietly(path: string): string | undefined {
    try {
      return this.#readBounded(path, 65_536);
    } catch {
      return undefined; // the process has ended
    }
  }

  /** The first 4 MiB. Nothing that could block is opened. */
  #readBounded(path: string, limitBytes = maxFileBytes): string | undefined {
    const located = this.#machine.locate(path);
    if (!Deno.statSync(located).isFile) return undefined;
    using file = Deno.openSync(located);
    const block = new Uint8Array(65_536);
    let text = "";
    const decoder = new TextDecoder();
    for (let left = limitBytes; left > 0;) {
      const read = file.readSync(block.subarray(0, Math.min(left, block.length)));
      if (read === null || read === 0) break;
      text += decoder.decode(block.subarray(0, read), { stream: true });
      left -= read;
    }
    return text;
  }

  #failed(path: string, error: unknown): void {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return;
    this.#problems.push(`Cannot read names from "${path}": ${error instanceof Error ? error.name : "error"}`);
  }
}

function isAddress(text: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(text) || (/^[0-9a-f:.]+$/.test(text) && text.includes(":"));
}

/** Names that every cluster has. */
function isClusterName(name: string): boolean {
  return /(?:^|\.)cluster\.local$/.test(name) || /(?:^|\.)svc$/.test(name);
}

function isClusterUser(name: string): boolean {
  return isCommonName(name) || name.startsWith("system:") || name.startsWith("kubernetes");
}

const maxNames = 5_000;
const maxProcesses = 2_000;
const maxFileBytes = 4 * 1024 * 1024;
