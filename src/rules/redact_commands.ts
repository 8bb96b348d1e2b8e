/** What secrets look like in command lines: in shell histories, lists of processes, cron tables, and the records of auditd. */
import type { PresetPattern } from "./redact_presets.ts";

/** A word of a command line, quoted or not; a quote that closes what the line stands in is none of it. */
const bare = String.raw`(?:[^[:space:]"']|["'][^][:space:],}])`;
const word = String.raw`(?:"([^"]+)|'([^']+)|([^[:space:]"']${bare}*))`;
const space = "[[:space:]]";
/** Further options, and the one that counts. */
const later = String.raw`\b.*[[:space:]]`;

function command(regex: string): PresetPattern {
  return { name: "command-password", regex };
}

/** Programs that take a password in an option whose name does not say so, or behind a user's name. */
export const commandSecrets: readonly PresetPattern[] = [
  command(String.raw`\bmysql[a-z]*\b.*${space}-p(${bare}+)`),
  command(
    String
      .raw`\b(?:curl|etcdctl)\b.*${space}(?:-u|-U|--user|--proxy-user)[[:space:]=]*["']?[^:[:space:]"']*:([^[:space:]"']+)`,
  ),
  command(String.raw`\bcurl\b.*${space}(?:-b|--cookie)[[:space:]=]*${word}`),
  command(String.raw`\bhttps?${space}+(?:-a|--auth)[[:space:]=]*[^:[:space:]]*:([^[:space:]"']+)`),
  command(String.raw`\b(?:sshpass${space}+-p|redis-cli\b.*${space}-a)${space}*${word}`),
  command(String.raw`-pass(?:in|out)?${space}+pass:(${bare}+)`),
  command(
    String.raw`\b(?:docker|podman|buildah|skopeo|nerdctl|helm|oras|oc|az)\b.*\blogin\b.*${space}-p[[:space:]=]*${word}`,
  ),
  command(
    String
      .raw`\b(?:mongo[a-z]*|cqlsh|sqlcmd|bcp|twine|mosquitto_[a-z]+|ipmitool|zip|useradd|usermod)${later}-[pP]${space}*${word}`,
  ),
  command(String.raw`\b(?:7z[ar]?|unrar|rar)${space}.*${space}-p(${bare}+)`),
  command(String.raw`\b(?:ldap[a-z]+${later}-w|ldappasswd${later}-[as])${space}*${word}`),
  command(String.raw`\bsnmp[a-z]+${later}-[cA]${space}*${word}`),
  command(String.raw`\bsnmp[a-z]+${later}-X${space}*${word}`),
  command(
    String
      .raw`\b(?:smb[a-z]+|rpcclient|net|winexe)${later}(?:-U|--user)[[:space:]=]*[^%[:space:]]+%(${bare}+)`,
  ),
  command(String.raw`freerdp[0-9]?${space}.*/p:(${bare}+)`),
  command(String.raw`\blftp${space}.*-u${space}*[^,[:space:]]+,(${bare}+)`),
  command(String.raw`\bsqlplus${space}.*\w/([^[:space:]@/"']+)@`),
  command(
    String
      .raw`\b(?:htpasswd${space}+-[a-z]*b.*|openssl${space}+passwd\b.*|rabbitmqctl${space}.*(?:add_user|_password)${space}.*|wpa_passphrase${space}.*|kubectl\b.*--docker-password)[[:space:]=]${word}`,
  ),
  command(String.raw`\bopenssl${space}.*${space}-[kK]${space}+${word}`),
  command(String.raw`\bssh-keygen${later}-[NP]${space}*${word}`),
  command(String.raw`\b(?:nmcli${space}.*${space}password|iw(?:config)?${space}.*${space}(?:key|enc))${space}+${word}`),
  command(String.raw`(?i)-(?:src|dest)?(?:store|key)pass${space}+${word}`),
  command(
    String
      .raw`\b(?:echo|printf)${space}+([^|]+)\|.*(?:sudo${space}+-[a-zA-Z]*S|-stdin|chpasswd|cryptsetup|kinit|smbpasswd)\b`,
  ),
  command(String.raw`\b(?:sudo|passwd|chpasswd|cryptsetup|kinit|pass|gpg)\b.*<<<${space}*${word}`),
  command(String.raw`--from-literal[[:space:]=]+["']?[^=[:space:]]+=([^[:space:]"']+)`),
  command(
    String
      .raw`\bvault${space}+(?:kv${space}+(?:put|patch)${space}+[^[:space:]]+|operator${space}+unseal|login)${space}+(.+)`,
  ),
  command(String.raw`--certificate-key[[:space:]=]+(${bare}+)`),
  command(String.raw`\bradtest${space}+[^[:space:]]+${space}+(.+)`),
];
