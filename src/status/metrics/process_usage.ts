/** What this process uses, read from /proc (`proc(5)`); zeros where there is no /proc. */

/** Totals since the start of the process, and sizes now. */
export interface ProcessUsage {
  readonly userSeconds: number;
  readonly systemSeconds: number;
  readonly residentBytes: number;
  readonly peakResidentBytes: number;
  readonly minorFaults: number;
  readonly majorFaults: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly voluntarySwitches: number;
  readonly involuntarySwitches: number;
  readonly openFiles: number;
}

/** Reads the figures; about 100 µs. */
export function readProcessUsage(): ProcessUsage {
  const status = readText("/proc/self/status");
  const io = readText("/proc/self/io");
  const stat = parseStat(readText("/proc/self/stat"));
  return {
    ...stat,
    residentBytes: numberAfter(status, "VmRSS:") * 1024,
    peakResidentBytes: numberAfter(status, "VmHWM:") * 1024,
    readBytes: numberAfter(io, "read_bytes:"),
    writtenBytes: numberAfter(io, "write_bytes:"),
    voluntarySwitches: numberAfter(status, "\nvoluntary_ctxt_switches:"),
    involuntarySwitches: numberAfter(status, "nonvoluntary_ctxt_switches:"),
    openFiles: countOpenFiles(),
  };
}

/** Fields 10, 12, 14 and 15 of `/proc/PID/stat`; the program's name, which may hold blanks, ends with the last bracket. */
export function parseStat(
  text: string,
): Pick<ProcessUsage, "userSeconds" | "systemSeconds" | "minorFaults" | "majorFaults"> {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const field = (number: number): number => Number(fields[number - 3] ?? 0);
  return {
    minorFaults: field(10),
    majorFaults: field(12),
    userSeconds: field(14) / ticksPerSecond,
    systemSeconds: field(15) / ticksPerSecond,
  };
}

function numberAfter(text: string, name: string): number {
  const at = text.indexOf(name);
  return at < 0 ? 0 : Number.parseInt(text.slice(at + name.length), 10) || 0;
}

function countOpenFiles(): number {
  try {
    return [...Deno.readDirSync("/proc/self/fd")].length - 1; // the folder itself was open meanwhile
  } catch {
    return 0;
  }
}

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

/** USER_HZ, fixed by the kernel's interface on both of our architectures. */
const ticksPerSecond = 100;
