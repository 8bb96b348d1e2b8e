/** Pseudonyms of hosts, users and mail addresses, and which names are too common to be anybody's. */
import { Pseudonyms } from "../../rules/pseudonym.ts";

/** Kinds of names. */
export type NameKind = "host" | "user" | "word" | "ip" | "mac";

/** Makes pseudonyms and remembers whose they are. */
export class Names {
  readonly #pseudonyms: Pseudonyms;
  readonly #pairs = new Map<string, string>();
  readonly #own = new Set<string>();

  /** Whether pairs are kept for {@linkcode pairs}. */
  readonly keepsPairs: boolean;

  /** @param key secret of the pseudonyms */
  constructor(key: Uint8Array, keepsPairs: boolean) {
    this.#pseudonyms = new Pseudonyms(key);
    this.keepsPairs = keepsPairs;
  }

  /** `host-q2ks7xw3ma`; a name that is such a pseudonym already stays. Case does not count. */
  of(kind: NameKind, value: string): string {
    if (this.#own.has(value)) return value;
    const pseudonym = decoder.decode(this.#pseudonyms.of(kind, value));
    this.#remember(pseudonym, value);
    return pseudonym;
  }

  /** Keeps a pair for the mapping, if that was asked for; from 200,000 on no more. */
  keepPair(pseudonym: string, value: string): void {
    if (this.keepsPairs && this.#pairs.size < maxPairs) this.#pairs.set(pseudonym, value);
  }

  #remember(pseudonym: string, value: string): void {
    if (this.#own.size >= maxPairs || this.#own.has(pseudonym)) return;
    this.#own.add(pseudonym);
    this.keepPair(pseudonym, value);
  }

  /** Every label on its own, so that hosts of a domain keep it in common; what is public of it stays. */
  host(name: string): string {
    const cut = name.lastIndexOf(".");
    const top = cut > 0 && /^[a-z]{2,}$/i.test(name.slice(cut + 1)) ? name.slice(cut) : "";
    return this.labels(name.slice(0, name.length - top.length)) + top;
  }

  /** As {@linkcode host}, for the front part of a name: its last label is not public. */
  labels(text: string): string {
    return text.split(".").map((label) => {
      if (label === "" || isCommonLabel(label) || this.#own.has(label)) return label;
      return this.of("host", label.replaceAll("_", "-").toLowerCase());
    }).join(".");
  }

  /** A user's pseudonym. */
  user(name: string): string {
    return this.of("user", name);
  }

  /** Another hardware address, locally administered, so that nothing of the maker's number stays: twelve digits. */
  mac(canonical: string): string {
    const token = decoder.decode(this.#pseudonyms.of("mac", canonical)).slice("mac-".length);
    const digits = Array.from(token, (char) => (char.charCodeAt(0) & 15).toString(16)).join("");
    const pseudonym = `02${digits}`;
    this.#remember(pseudonym, canonical);
    return pseudonym;
  }

  /** User and domain of a mail address get the pseudonyms that they have alone. */
  mail(local: string, domain: string): string {
    return `${this.user(local)}@${this.host(domain)}`;
  }

  /** Pairs of pseudonym and value. */
  pairs(): Iterable<readonly [pseudonym: string, value: string]> {
    return this.#pairs;
  }
}

/** Whether a part of a host's name is everybody's: it stays readable, and it is no leak. */
export function isCommonLabel(label: string): boolean {
  return commonLabels.has(label.toLowerCase());
}

/** Whether {@linkcode Names.host} leaves a name as it is: `home.lan`, `svc.cluster.local`. */
export function isCommonDomain(name: string): boolean {
  const labels = name.split(".");
  const isTopPublic = labels.length > 1 && /^[a-z]{2,}$/i.test(labels.at(-1)!);
  return (isTopPublic ? labels.slice(0, -1) : labels).every((label) => label === "" || isCommonLabel(label));
}

/** Whether a name alone identifies nobody: too short, or a word that texts are full of. */
export function isCommonName(name: string): boolean {
  return name.length < 2 || /^\d+$/.test(name) || commonLabels.has(name.toLowerCase()) ||
    commonNames.has(name.toLowerCase());
}

const commonLabels = new Set(
  ("localhost localdomain localhost4 localhost6 local lan home internal intranet corp arpa in-addr ip6 svc cluster default " +
    "pod com org net edu gov mil int dev io test onion ip6-localhost ip6-loopback ip6-allnodes " +
    "ip6-allrouters ip6-localnet ip6-mcastprefix ip6-allhosts kubernetes broadcasthost").split(" "),
);
/** Words of systems, paths and log lines: a host or user of that name cannot be told from them. */
const commonNames = new Set(
  ("root admin administrator nobody user users guest ubuntu debian centos fedora pi core ec2-user vagrant alpine openwrt " +
    "daemon bin sys sync games man lp mail news uucp proxy backup list irc www www-data web http https ftp ssh sshd ntp " +
    "git svn app apps api db data database redis mysql postgres nginx apache node nodes server servers client master " +
    "worker agent host hosts system systemd service services kernel kube k3s k8s docker containerd etc var log logs run " +
    "usr lib opt srv mnt media tmp proc home dev boot sbin snap etcd info warn warning error debug notice none null true " +
    "false yes no on off go it is in to at of or and the this that by for from with not all any new old up down start " +
    "stop ok name type state status time date id key value linux router gateway gw switch firewall box machine computer " +
    "pc laptop desktop vm container pods image images net eth eth0 lo ip mac dns dhcp ntpd cron build ci jenkins runner " +
    "monitor monitoring prometheus grafana test testing prod production staging stage main").split(" "),
);
const decoder = new TextDecoder();
const maxPairs = 200_000;
