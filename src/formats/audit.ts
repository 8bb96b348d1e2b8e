/**
 * Records of the Linux audit system, as auditd writes them to its log and to the socket of its plugin `af_unix`, and the
 * event that several of them are.
 *
 * ```text
 *   [node=N ]type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e … key="sshd_config"[GS ARCH=x86_64 …]
 *   [node=N ]type=CWD msg=audit(1364481363.243:24287): cwd="/home/shadowman"
 *            └─ type       └─ seconds.milliseconds:serial: the same in all records of one event
 * ```
 *
 * Behind the octet 0x1D stands what auditd resolved (`log_format = ENRICHED`); here it is more fields. Names of types are
 * those of libaudit's `msg_typetab.h`; which types stand alone is what its `auparse` goes by.
 */

/** What the head of a record says. */
export interface AuditHead {
  /** `node=` (auditd.conf `name_format`); empty where absent. */
  readonly node: string;
  /** `SYSCALL`, or `UNKNOWN[1334]` where auditd knows no name. */
  readonly type: string;
  /** Seconds, milliseconds and serial number: `1364481363.243:24287`. */
  readonly stamp: string;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** Index behind `audit(…):` and one space: where the fields begin. */
  readonly fieldsStart: number;
}

/** Reads the head of the record `bytes[start..end)`; undefined when it is none. */
export function parseAuditHead(bytes: Uint8Array, start: number, end: number): AuditHead | undefined {
  const text = headDecoder.decode(bytes.subarray(start, Math.min(end, start + maxHeadBytes)));
  const match = headPattern.exec(text);
  if (match === null) return undefined;
  const [all, node = "", type, seconds, milliseconds, serial] = match;
  return {
    node,
    type: type!,
    stamp: `${seconds}.${milliseconds}:${serial}`,
    timeMs: Number(seconds) * 1_000 + Number(milliseconds),
    fieldsStart: start + all.length,
  };
}

/** Whether a record of this type ends its event: the end mark, the one that comes last, and those that are alone. */
export function endsEvent(type: string): boolean {
  const unknown = /^UNKNOWN\[(\d{4})\]$/.exec(type);
  if (unknown !== null) return isAloneNumber(Number(unknown[1]));
  return type === "EOE" || type === "PROCTITLE" || aloneNames.has(type) || alonePrefixes.test(type);
}

/**
 * The record `text` with what the kernel wrote as hexadecimal digits made readable, in quotes: control characters and
 * octets that are no UTF-8 as `\xNN`, the NULs between the words of a command line as spaces.
 */
export function decodeAuditFields(type: string, text: string): string {
  return text.replaceAll(unitSeparator, " ").replaceAll(fieldPattern, (all, before, name, hex) => {
    const words = isWordList(name);
    if (!words && !untrustedFields.has(name) && !(type === "EXECVE" && /^a\d+(\[\d+\])?$/.test(name))) return all;
    return `${before}${name}="${readable(hex, words)}"`;
  });
}

function isWordList(name: string): boolean {
  return name === "proctitle" || name === "cmd" || name === "key";
}

/** Text of hexadecimal digits. `words`: NUL and 0x01, which part words and keys, become spaces. */
function readable(hex: string, words: boolean): string {
  const octets = Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  const end = words && octets[octets.length - 1] === 0 ? octets.length - 1 : octets.length;
  let text: string;
  try {
    text = strictDecoder.decode(octets.subarray(0, end));
  } catch {
    // No UTF-8 (a title is cut at 128 octets, within a character perhaps): octet by octet.
    text = Array.from(octets.subarray(0, end), (octet) => {
      if (octet === 0x5c) return "\\\\";
      return octet < 0x80 ? String.fromCharCode(octet) : escaped(octet);
    }).join("");
    return quotable(text, words, false);
  }
  return quotable(text, words, true);
}

function quotable(text: string, words: boolean, escapeBackslash: boolean): string {
  const safe = escapeBackslash ? text.replaceAll("\\", "\\\\") : text;
  // deno-lint-ignore no-control-regex -- it is control characters that must not get through
  return safe.replaceAll('"', '\\"').replaceAll(/[\x00-\x1f\x7f]/g, (character) => {
    const code = character.charCodeAt(0);
    return words && code <= 1 ? " " : escaped(code);
  });
}

function escaped(octet: number): string {
  return `\\x${octet.toString(16).padStart(2, "0")}`;
}

/** Where the numbers of libaudit.h say that a type never has company: user space, daemon, crypto, virtual machines. */
function isAloneNumber(type: number): boolean {
  return (type >= 1_100 && type < 1_300) || type === 1_320 || type === 1_327 || type === 2_000 ||
    (type >= 2_100 && type < 3_000);
}

/** Types 1100–1199, and single ones beyond; the rest goes by prefix. */
const aloneNames: ReadonlySet<string> = new Set([
  ..."CRED_ACQ CRED_DISP CRED_REFR USYS_CONFIG ADD_USER DEL_USER ADD_GROUP DEL_GROUP DAC_CHECK CHGRP_ID TEST".split(
    " ",
  ),
  ..."TRUSTED_APP CHUSER_ID GRP_AUTH SYSTEM_BOOT SYSTEM_SHUTDOWN SYSTEM_RUNLEVEL SERVICE_START SERVICE_STOP".split(" "),
  ..."GRP_MGMT GRP_CHAUTHTOK MAC_CHECK ACCT_LOCK ACCT_UNLOCK SOFTWARE_UPDATE KERNEL".split(" "),
  ..."ROLE_ASSIGN ROLE_REMOVE ROLE_MODIFY LABEL_OVERRIDE LABEL_LEVEL_CHANGE DEV_ALLOC DEV_DEALLOC FS_RELABEL".split(
    " ",
  ),
  ..."ANOM_MAX_DAC ANOM_MAX_MAC ANOM_AMTU_FAIL ANOM_ACCESS_FS ANOM_EXEC ANOM_MK_EXEC ANOM_ADD_ACCT".split(" "),
  ..."ANOM_DEL_ACCT ANOM_MOD_ACCT ANOM_ROOT_TRANS ANOM_CRYPTO_FAIL".split(" "),
]);
const alonePrefixes = /^(USER|DAEMON|CRYPTO|VIRT|RESP|ANOM_LOGIN|ANOM_RBAC)_/;

/** Fields whose value is either `"text"` or hexadecimal digits (`audit_log_untrustedstring` and its users). */
const untrustedFields: ReadonlySet<string> = new Set([
  ..."acct cmd comm cwd data dir exe file grp key name new-chardev new-disk new-fs new-rng ocomm oexe".split(
    " ",
  ),
  ..."old-disk old-fs old-rng path proctitle res_name root_dir sw vm vm-ctx watch".split(" "),
]);

const headPattern =
  /^(?:node=([!-~]{1,255}) )?type=([A-Z0-9_]{1,64}(?:\[\d{1,5}\])?) msg=audit\((\d{1,12})\.(\d{3}):(\d{1,20})\): ?/;
const maxHeadBytes = 400;
const fieldPattern = /(^|[ '])([A-Za-z][\w\-]*(?:\[\d+\])?)=((?:[0-9A-F]{2})+)(?=[ ']|$)/g;
const unitSeparator = "\x1d";
const headDecoder = new TextDecoder("latin1");
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
