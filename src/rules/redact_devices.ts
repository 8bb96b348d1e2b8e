/** What secrets look like in the configuration of routers, switches and servers whose words are separated by spaces. */
import type { PresetPattern } from "./redact_presets.ts";
import { secretName } from "./secret_name.ts";

const space = "[[:space:]]+";
/** An optional kind of encryption, as routers write it, and the value. */
const value = String.raw`(?:[0-9][[:space:]]+)?(?:"([^"]+)|'([^']+)|([^[:space:]"';]+))`;

/** Patterns of devices and daemons. */
export const deviceSecrets: readonly PresetPattern[] = [
  {
    name: "snmp",
    regex: String
      .raw`(?i)\b(?:r[ow]community6?|snmp(?:-server)? community|com2sec6?[[:space:]].*)[[:space:]]+["']?([^[:space:]"']+)`,
  },
  {
    name: "snmp",
    regex: String
      .raw`(?i)\bcreateUser[[:space:]]+(?:-e[[:space:]]+\w+[[:space:]]+)?[^[:space:]]+[[:space:]]+(?:MD5|SHA[-0-9]*)[[:space:]]+(.*)`,
  },
  {
    name: "device-password",
    regex: String.raw`(?i)\b(?:password|secret|key-string|key)[[:space:]]+[0-9][[:space:]]+([^[:space:]]+)`,
  },
  {
    name: "device-password", // FRR, Cisco, VyOS, keepalived, Redis, OpenLDAP, HAProxy: the word before says what it is
    regex: String
      .raw`(?i)(?:^|[[:space:]])(?:neighbor${space}[^[:space:]]+${space}password|(?:enable|isis|ospf|rip|vrrp|ldp)${space}password|authentication-key|key-string|message-digest-key${space}[0-9]+${space}md5|isakmp${space}key|(?:tacacs|radius)[[:space:]_-].*${space}key|(?:plaintext|encrypted|insecure)-password|pre-?shared-?(?:key|secret)|auth_pass|requirepass|masterauth|bindpw|rootpw|olcRootPW:|AuthLDAPBindPassword|authentication${space}psk${space}[^[:space:]]+${space}secret)${space}${value}`,
  },
  { name: "device-password", regex: String.raw`:${space}(?:PSK|EAP|XAUTH|NTLM)${space}(?:"([^"]+)|([^[:space:]"]+))` }, // ipsec.secrets
  { name: "device-password", regex: String.raw`\bstats${space}auth${space}[^:[:space:]]+:([^[:space:]]+)` },
  {
    name: "device-password",
    regex: String.raw`^user${space}[^[:space:]]+${space}(?:on|off)?.*[[:space:]]>([^[:space:]]+)`,
  }, // ACL of Redis
  {
    name: "device-password", // a header or variable, without a sign between name and value
    regex:
      `(?i)(?:SetEnv|_set_header|_param|RequestHeader${space}set)${space}["']?[a-z0-9_-]*${secretName}["']?${space}${value}`,
  },
  {
    name: "device-password", // OpenWrt's UCI, in its two notations
    regex: String
      .raw`(?i)(?:\boption[[:space:]]+\w*(?:key|${secretName})[[:space:]]+|\.key[0-9]?=)["']?([^"'[:space:]]+)`,
  },
  {
    name: "netrc",
    regex: String.raw`(?i)\blogin[[:space:]]+[^[:space:]]+[[:space:]]+password[[:space:]]+([^[:space:]]+)`,
  },
  {
    name: "netrc",
    regex: String.raw`(?i)^[[:space:]]*(?:password|passphrase)[[:space:]]+([^[:space:]:=]+)[[:space:]]*$`,
  },
  {
    name: "pgpass",
    regex: String
      .raw`^[^:[:space:]]+:(?:\*|5432|5433|6432):[^:[:space:]]+:[^:[:space:]]+:([^[:space:]]+)$`,
  },
];
