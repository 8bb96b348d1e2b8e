/** Certificates that are over, nearly over, or not yet valid. */
import type { Analyser } from "../report.ts";
import { analyserOf, finding } from "./finding.ts";

const path = "system/certificates.txt";

/** Compares with the time of the dump. @param nowMs that time; by the machine's clock, which may be what is wrong */
export function certificatesAnalyser(nowMs: () => number = Date.now): Analyser {
  return analyserOf("certificates", path, (text) => {
    const now = nowMs();
    const all = [...text.matchAll(/^(.+): from=(\S+) until=(\S+) .*$/gm)].map(([line, file, from, until]) => ({
      line: line!,
      file: file!,
      fromMs: Date.parse(from!),
      untilMs: Date.parse(until!),
    }));
    const over = all.filter(({ untilMs }) => untilMs < now);
    // Short ones renew themselves late: two weeks, or a tenth of their life.
    const soon = all.filter(({ fromMs, untilMs }) =>
      untilMs >= now && untilMs - now < Math.min(14 * 86_400_000, (untilMs - fromMs) / 10)
    );
    // Those of a day or two are renewed by whatever made them.
    const days = all.filter((one) =>
      one.untilMs >= now && one.untilMs - now < 7 * 86_400_000 && !soon.includes(one) &&
      one.untilMs - one.fromMs > 2 * 86_400_000
    );
    const early = all.filter(({ fromMs }) => fromMs > now);
    const about = (list: typeof all): string => list.length === 1 ? list[0]!.file : `${list.length} certificates`;
    const evidence = (list: typeof all): string[] => list.map(({ line }) => line);
    return [
      ...(over.length === 0 ? [] : [finding({
        id: "certificate-expired",
        severity: "critical",
        title: `Expired: ${about(over)}`,
        evidence: evidence(over),
        artifact: path,
        advice: "Renew it; if the clock is wrong, set that first. Whoever checks it refuses the connection.",
      })]),
      ...(soon.length === 0 ? [] : [finding({
        id: "certificate-expiring",
        severity: "warning",
        title: `Soon to expire: ${about(soon)}`,
        evidence: evidence(soon),
        artifact: path,
        advice: "It should have been renewed by now: look why its renewal does not run.",
      })]),
      ...(days.length === 0 ? [] : [finding({
        id: "certificate-short",
        severity: "info",
        title: `Holds for less than a week: ${about(days)}`,
        evidence: evidence(days),
        artifact: path,
        advice: "It was made for a short time; see that something renews it.",
      })]),
      ...(early.length === 0 ? [] : [finding({
        id: "certificate-early",
        severity: "warning",
        title: `Not yet valid: ${about(early)}`,
        evidence: evidence(early),
        artifact: path,
        advice: "The clock of this machine, or of the one that signed it, is wrong.",
      })]),
    ];
  });
}
