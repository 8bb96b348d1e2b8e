/** The same job for both programs: a configuration of `agent ship` and one of rsyslog, with the same rules. */

/** Rules as Gardener's `loggingRules` have them: programs, severity, regular expressions on the message. */
const gardenerRules: readonly unknown[] = [
  { programs: ["systemd", "containerd"], severity: "warning" },
  {
    programs: ["kubelet"],
    severity: "notice",
    message: { regex: "run[a-z]+ [0-9]+ ", exclude: "probe (failed|timeout)" },
  },
  { severity: "critical" },
];

/** `agent ship` with a `stdout` sink. */
export function shipConfig(
  state: string,
  { sources, rules }: { readonly sources: Readonly<Record<string, unknown>>; readonly rules: boolean },
): unknown {
  return { state, sources, sinks: { out: { type: "stdout" } }, ...(rules ? { rules: gardenerRules } : {}) };
}

/** rsyslog from imfile to /dev/null; files are read as program kubelet, severity notice, as the agent reads them. */
export function rsyslogConfig(
  { work, file, rules, poll = false }: {
    readonly work: string;
    readonly file: string;
    readonly rules: boolean;
    readonly poll?: boolean;
  },
): string {
  const write = `action(type="omfile" file="/dev/null" template="raw")`;
  return [
    `global(workDirectory="${work}")`,
    `module(load="imfile" mode="${poll ? "polling" : "inotify"}"${poll ? ' pollingInterval="1"' : ""})`,
    `template(name="raw" type="string" string="%msg%\\n")`,
    `ruleset(name="r") {`,
    ...(rules ? conditionsAround(write) : [`  ${write}`]),
    `}`,
    `input(type="imfile" file="${file}" tag="kubelet" severity="notice" facility="user" ruleset="r" freshStartTail="off")`,
    "",
  ].join("\n");
}

/** What Gardener's extension writes for such rules. */
function conditionsAround(write: string): readonly string[] {
  return [
    `  if ($programname == "systemd" or $programname == "containerd") and $syslogseverity <= 4 then { ${write} stop }`,
    `  if $programname == "kubelet" and $syslogseverity <= 5 and re_match($msg, "run[a-z]+ [0-9]+ ")` +
    ` and not re_match($msg, "probe (failed|timeout)") then { ${write} stop }`,
    `  if $syslogseverity <= 2 then { ${write} stop }`,
  ];
}
