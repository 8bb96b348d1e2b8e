/** A clock that was never set, is wrong, or is set by nobody. */
import type { Analyser, Finding } from "../report.ts";
import { finding, type Read } from "./finding.ts";

/** More than 1 s away is a warning, more than a minute critical: certificates and logs depend on it. */
export const clockAnalyser: Analyser = {
  id: "clock",
  analyse: async (
    read,
  ) => [...await clockFindings(read), ...await serverFindings(read), ...await serviceFindings(read)],
};

async function clockFindings(read: Read): Promise<readonly Finding[]> {
  const path = "system/clock.txt";
  const text = await read(path) ?? "";
  const findings: Finding[] = [];
  const now = /^now: .*$/m.exec(text)?.[0] ?? "";
  if (/^clock-set: no$/m.test(text)) {
    findings.push(finding({
      id: "clock-unset",
      severity: "critical",
      title: "The clock was never set",
      evidence: [now],
      artifact: path,
      advice:
        "Set the clock (NTP, or by hand): until then every certificate is refused and times in logs mean nothing.",
    }));
  }
  for (const [line, seconds] of text.matchAll(/^rtc\d+-offset-s: (-?\d+)$/gm)) {
    // Clocks that keep local time are whole half hours away.
    const offset = Math.abs(Number(seconds));
    if (offset <= 60 || Math.min(offset % 1_800, 1_800 - offset % 1_800) <= 60 && offset <= 50_400) continue;
    findings.push(finding({
      id: "clock-rtc",
      severity: "warning",
      title: `The battery-backed clock is ${offset} s away from the system's`,
      evidence: [line],
      artifact: path,
      advice:
        "One of the two is wrong; the machine starts with the battery-backed one (hwclock --systohc after setting).",
    }));
  }
  return findings;
}

async function serverFindings(read: Read): Promise<readonly Finding[]> {
  const path = "system/ntp.txt";
  const lines = (await read(path) ?? "").split("\n").filter((line) => line !== "");
  const answers = lines.map((line) => ({ line, offsetMs: /offset-ms=(-?\d+)/.exec(line)?.[1] }))
    .filter((answer) => answer.offsetMs !== undefined && !answer.line.includes("not-synchronised"));
  const off = answers.filter(({ offsetMs }) => Math.abs(Number(offsetMs)) > 1_000);
  // One server that is wrong is its own trouble; most of them are ours.
  if (off.length * 2 > answers.length) {
    const worst = Math.max(...off.map(({ offsetMs }) => Math.abs(Number(offsetMs))));
    return [finding({
      id: "clock-off",
      severity: worst > 60_000 ? "critical" : "warning",
      title: `The clock is ${(worst / 1_000).toFixed(1)} s off`,
      evidence: off.map(({ line }) => line),
      artifact: path,
      advice:
        "Look why the time service does not set it: is it running, may it reach its servers, is the step too large?",
    })];
  }
  if (lines.length === 0 || answers.length > 0) return [];
  return [finding({
    id: "ntp-unreachable",
    severity: "warning",
    title: "No time server answers",
    evidence: lines,
    artifact: path,
    advice: "UDP port 123 must be open to the configured servers, and their names must resolve.",
  })];
}

async function serviceFindings(read: Read): Promise<readonly Finding[]> {
  const signs: readonly (readonly [string, RegExp])[] = [
    ["system/timedatectl.txt", /^NTPSynchronized=no$/m],
    ["system/chrony-tracking.txt", /^(Leap status\s*: Not synchronised|Stratum\s*: 0)$/m],
  ];
  for (const [path, sign] of signs) {
    const line = sign.exec(await read(path) ?? "")?.[0];
    if (line === undefined) continue;
    return [finding({
      id: "clock-unsynchronised",
      severity: "warning",
      title: "The time service has not set the clock",
      evidence: [line],
      artifact: path,
      advice: "Look at the log of the time service and at system/ntp.txt: do its servers answer?",
    })];
  }
  return [];
}
