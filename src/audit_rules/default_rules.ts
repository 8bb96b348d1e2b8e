/**
 * The rules that Gardener's extension gives a node that names none of its own: who gets more rights, who mounts and makes
 * devices, who changes the system. Pure.
 *
 * @see gardener-extension-shoot-rsyslog-relp, audit rules
 */

/** Files of `rules.d` by name, with their text. */
export type RuleFiles = Readonly<Record<string, string>>;

/** Name of the file that holds rules which came as one text: the extension's own name for it. */
export const ownRulesName = "00_shoot_rsyslog_relp.rules";

/** The folders whose changes are recorded. */
const systemFolders = ["/boot", "/etc", "/bin", "/sbin", "/lib", "/lib64", "/usr", "/opt", "/root"];

/** What is loaded where no rules are named. `-i`: a kernel that does not know one rule still takes the others. */
export const defaultRules: RuleFiles = {
  "00-base-config.rules": lines(["-D", "-b 8192", "--backlog_wait_time 60000", "-f 1", "-i"]),
  "10-privilege-escalation.rules": lines([
    rule(["setuid", "setreuid", "setgid", "setregid"], "-F auid>0 -F auid!=-1", "privilege_escalation"),
    rule(["execve", "execveat"], "-F euid=0 -F auid>0 -F auid!=-1", "privilege_escalation"),
  ]),
  "11-privileged-special.rules": lines([
    rule(["mount", "umount2", "mknod", "mknodat", "chroot"], "-F auid!=-1", "privileged_special"),
    rule(["mount_setattr"], "-F auid!=-1", "privileged_special"), // alone: older kernels do not know it
  ]),
  "12-system-integrity.rules": lines([
    ...systemFolders.map((folder) => `-a always,exit -F dir=${folder} -F perm=wa -F key=system_integrity`),
    rule(["adjtimex", "settimeofday", "clock_settime"], "-F auid!=-1", "time-change"),
  ]),
};

function rule(calls: readonly string[], fields: string, key: string): string {
  return `-a always,exit -F arch=b64 ${calls.map((call) => `-S ${call}`).join(" ")} ${fields} -F key=${key}`;
}

function lines(all: readonly string[]): string {
  return all.map((line) => line + "\n").join("");
}
