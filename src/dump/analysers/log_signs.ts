/**
 * Signs of known trouble in the logs of the kernel and of the system: each a pattern, a title and what to do. One pass
 * over the newest 8 MiB of each log; a line counts for the first sign that it shows.
 */
import type { Analyser, Finding } from "../report.ts";
import { finding } from "./finding.ts";

/** One sign. */
interface Sign {
  readonly id: string;
  readonly severity: Finding["severity"];
  readonly pattern: RegExp;
  /** How often it must be seen; default 1. */
  readonly atLeast?: number;
  /** A line that is enough alone. */
  readonly enough?: RegExp;
  /** `N` is how often; `WHO` whom the lines name, by a group of `who`, or `nobody`. */
  readonly title: string;
  readonly who?: RegExp;
  readonly nobody?: string;
  readonly advice: string;
}

const signs: readonly Sign[] = [
  {
    id: "oom-kill",
    severity: "critical",
    pattern: /Out of memory: Kill|oom-kill:|Memory cgroup out of memory|oom_reaper: reaped|invoked oom-killer/,
    title: "The kernel killed WHO for lack of memory (N lines)",
    who: / process \d+ \(([^)]{1,16})\)/,
    nobody: "processes",
    advice:
      "The lines name the process and its size; see system/processes.txt and system/cgroup-memory.txt for who is large now.",
  },
  {
    id: "disk-error",
    severity: "critical",
    pattern:
      /I\/O error|blk_update_request|Medium Error|UNC error|failed command: (READ|WRITE)|EXT4-fs error|XFS .*[Cc]orruption|BTRFS.*(error|corrupt)|UBIFS error|nvme.*(timeout|reset controller)/,
    title: "The disk reports errors (N lines)",
    advice: "Save the data, look at the drive (smartctl -a), check the file system when it is not mounted.",
  },
  {
    id: "remounted-read-only",
    severity: "critical",
    pattern: /[Rr]emounting filesystem read-only|re-mounted.*\bro\b|Read-only file system/,
    title: "A file system became read-only (N lines)",
    advice: "The kernel does this after an error of the disk: see the lines before it.",
  },
  {
    id: "disk-full-log",
    severity: "critical",
    pattern: /No space left on device|ENOSPC|disk (is )?full/i,
    title: "Programs could not write: no space left (N lines)",
    advice: "See system/disk.txt for what is full now, bytes (use%) and inodes (iuse%).",
  },
  {
    id: "kernel-trace",
    severity: "critical",
    pattern:
      /\bCall Trace:|BUG: |kernel BUG at|Oops:|Kernel panic|general protection fault|soft lockup|hung_task|blocked for more than \d+ seconds|rcu.*detected stall/,
    title: "The kernel reports a fault of its own (N lines)",
    advice: "Report the lines from the first of them on, with system/kernel.txt; look for a newer kernel.",
  },
  {
    id: "segfault",
    severity: "warning",
    pattern: /segfault at|traps: .* trap |terminated by signal (SEGV|ABRT)|dumped core|\(core dumped\)/,
    title: "WHO crashed (N lines)",
    who:
      /([\w.-]{1,40})\[\d+\]:? (?:segfault at|trap )|traps: ([\w.-]{1,40})\[|([\w@.-]{1,60}\.service): .*dumped core/,
    nobody: "Programs",
    advice: "The lines name the program; look for its core dump (coredumpctl) and its version in system/packages.txt.",
  },
  {
    id: "restart-loop-log",
    severity: "critical",
    pattern:
      /Scheduled restart job, restart counter is at|Start request repeated too quickly|Back-off restarting failed container|CrashLoopBackOff|is in a crash loop|respawning too fast/,
    atLeast: 3,
    enough: /restart counter is at \d\d/, // it has counted itself
    title: "Started again and again: WHO (N lines)",
    who:
      /([\w@.\\-]{1,60}\.service): (?:Scheduled|Start request)|failed container[= "]+([\w.-]{1,60})|([\w.-]{1,60}) is in a crash loop|(?:id )"?([\w.-]{1,60})"? respawning/i,
    nobody: "something",
    advice: "The reason is in its own log, right before each start.",
  },
  {
    id: "dns-failing-log",
    severity: "warning",
    pattern:
      /Temporary failure in name resolution|no such host|Name or service not known|server misbehaving|EAI_AGAIN|SERVFAIL/,
    atLeast: 3,
    title: "Names did not resolve (N lines)",
    advice: "See network/reachability.txt for which name server answers now.",
  },
  {
    id: "logs-dropped",
    severity: "warning",
    pattern:
      /Suppressed \d+ messages|\d+ callbacks suppressed|imjournal: \d+ messages lost|begins? to drop messages|lost \d+ messages from|discarded\.full=[1-9]|messages? lost due to rate-limiting|kauditd hold queue overflow|audit: audit_lost=|audit_backlog_limit exceeded|--- gap: \d+ records|agent: gap of \d+|discarded.*due to rate-limiting|Missed \d+ kernel messages/,
    title: "Log messages were dropped before anybody could read them (N lines)",
    advice:
      "Raise the limit that the line names (RateLimitBurst of journald, log_buf_len of the kernel, backlog of audit).",
  },
  {
    id: "certificate-refused",
    severity: "warning",
    pattern:
      /certificate (has expired|is not yet valid|verify failed|expired)|x509: certificate|CERTIFICATE_VERIFY_FAILED|tlsv1 alert (unknown ca|certificate)/i,
    title: "Certificates were refused (N lines)",
    advice: "See system/certificates.txt for which has expired, and system/clock.txt for the time of this machine.",
  },
  {
    id: "network-trouble",
    severity: "warning",
    pattern:
      /nf_conntrack: table full|neighbou?r table overflow|NETDEV WATCHDOG|Possible SYN flooding|duplicate (address|IPv6 address) detected|martian source/i,
    title: "The kernel reports trouble of the network (N lines)",
    advice: "The line names the interface or the limit; counters are in network/interfaces.txt.",
  },
  {
    id: "time-in-1970",
    severity: "info",
    pattern: /^(?:<\d+>\d? ?)?(?:1970-01-01|Jan +1 00:\d\d)/,
    title: "Lines of a time when the clock was not set (N lines)",
    advice: "They are from after a start, before the clock was set; their order is right, their time is not.",
  },
  {
    id: "clock-jump",
    severity: "info",
    pattern:
      /Time has been changed|System clock (wrong by|was stepped)|clock (jumped|skew detected)|time stepped by|Clock change detected/i,
    title: "The clock was set while the machine ran (N lines)",
    advice: "Times of lines before and after do not compare.",
  },
  {
    id: "too-many-files",
    severity: "warning",
    pattern: /Too many open files|file-max limit|inotify.*(No space|limit)/,
    title: "Programs ran out of open files (N lines)",
    advice: "See the column fds of system/processes.txt, and the limits in system/process-details.txt.",
  },
  {
    id: "overheating",
    severity: "warning",
    pattern:
      /(temperature above threshold|cpu clock throttled|Under-voltage detected|thermal shutdown|critical temperature)/i,
    title: "The machine was too hot, or its power too weak (N lines)",
    advice: "Look at the fan, the power supply and the place where it stands.",
  },
];

/** What was seen of one sign. */
interface Seen {
  times: number;
  readonly first: string[];
  readonly last: string[];
  readonly who: Set<string>;
  artifact: string;
  isEnough: boolean;
}

/** All signs in one pass. */
export const logSignsAnalyser: Analyser = {
  id: "log-signs",
  analyse: async (read, paths) => {
    const seen = new Map<Sign, Seen>();
    for (const path of chosen(paths)) {
      const text = await read(path);
      if (text !== undefined) scan(text, path, seen);
    }
    return signs.flatMap((sign) => {
      const one = seen.get(sign);
      return one === undefined || (one.times < (sign.atLeast ?? 1) && !one.isEnough) ? [] : [findingOf(sign, one)];
    });
  },
};

/** Logs of the kernel and the system, today's and the one before; not those of applications, which cite errors of others. */
function chosen(paths: readonly string[]): readonly string[] {
  const wanted = paths.filter((path) =>
    /^kernel\//.test(path) || path === "systemd/journal/kernel-and-all.log" || path === "kube/events.txt" ||
    path === "logs/logread.log" ||
    /^logs\/.*\/(syslog|messages|kern(el)?\.log|daemon\.log|kern|current|dmesg)(\.1|\.0)?$/.test(path)
  );
  return wanted.slice(0, 24);
}

function scan(text: string, path: string, seen: Map<Sign, Seen>): void {
  for (let start = 0; start < text.length;) {
    const feed = text.indexOf("\n", start);
    const end = feed < 0 ? text.length : feed;
    // A sign stands near the beginning; a line of a megabyte is none.
    if (end > start) note(text.slice(start, Math.min(end, start + 1_000)), path, seen);
    start = end + 1;
  }
}

function note(line: string, path: string, seen: Map<Sign, Seen>): void {
  if (!anySign.test(line)) return;
  const sign = signs.find(({ pattern }) => pattern.test(line));
  if (sign === undefined) return;
  const one = seen.get(sign) ?? { times: 0, first: [], last: [], who: new Set(), artifact: path, isEnough: false };
  seen.set(sign, one);
  one.times++;
  if (sign.enough?.test(line) === true) one.isEnough = true;
  const who = one.who.size > maxNamed ? undefined : sign.who?.exec(line)?.slice(1).find((name) => name !== undefined);
  if (who !== undefined) one.who.add(who);
  if (one.first.length < 5) one.first.push(line);
  else {
    one.last.push(line);
    if (one.last.length > 4) one.last.shift();
  }
}

function findingOf(
  { id, severity, title, nobody, advice }: Sign,
  { times, first, last, who, artifact }: Seen,
): Finding {
  const left = times - first.length - last.length;
  const evidence = left > 0 ? [...first, `… ${left} more …`, ...last] : [...first, ...last];
  const count = times === 1 ? "1 line" : `${times} lines`;
  const names = [...who].slice(0, maxNamed).join(", ") + (who.size > maxNamed ? " and more" : "");
  const told = title.replace("N lines", count).replace("WHO", () => names || (nobody ?? ""));
  return finding({ id, severity, title: told, evidence, artifact, advice });
}

const maxNamed = 3;
/** One look tells whether a line shows any sign: nearly none does. */
const anySign = new RegExp(
  signs.map(({ pattern }) => pattern.flags.includes("i") ? anyCase(pattern.source) : pattern.source).join("|"),
);

/** `a` → `[aA]` outside of classes and escapes. */
function anyCase(source: string): string {
  return source.replaceAll(
    /\\.|\[[^\]]*\]|[a-z]/gi,
    (part) => /^[a-z]$/i.test(part) ? `[${part.toLowerCase()}${part.toUpperCase()}]` : part,
  );
}
