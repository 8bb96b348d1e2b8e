/** Which slice a record belongs to: its fields and its time, found in bytes, and remembered for the records alike. */
import { MemberFinder, textOfValue } from "../../formats/json_scan.ts";
import { readSyslogHeader, SyslogHeader } from "../../formats/syslog.ts";
import { readTimeMs } from "../../formats/syslog_time.ts";
import type { Batch } from "../../pipeline/batch.ts";
import { type PathTemplate, renderPath, type TemplateField } from "./template.ts";

/** How paths are made. */
export interface SlicePathOptions {
  readonly template: PathTemplate;
  /** Member of JSON records that holds their time (RFC 3339, or seconds or milliseconds since 1970), by its keys. */
  readonly timeField: readonly string[];
  /** Whether `%H` and its like are of the machine's zone instead of UTC. */
  readonly localTime: boolean;
}

/** Finds the path of one record after the other. */
export class SlicePath {
  readonly #options: SlicePathOptions;
  readonly #finder: MemberFinder;
  readonly #header = new SyslogHeader();
  readonly #timed: boolean;
  readonly #paths = new Map<string, string>();
  #lastMinute = NaN;
  #lastTime: Readonly<Record<string, string>> = {};

  constructor(options: SlicePathOptions) {
    this.#options = options;
    const { fields, parts } = options.template;
    this.#timed = parts.some(({ kind }) => kind === "time");
    this.#finder = new MemberFinder([
      options.timeField,
      ...fields.map(({ own, path }) => own === undefined ? path : []),
    ]);
  }

  /** The path, below the folder, of record `index`. */
  of(batch: Batch, index: number): string {
    const { bytes, bounds, origin } = batch;
    const [start, end] = [bounds[2 * index]!, bounds[2 * index + 1]!];
    const header = this.#header;
    if (origin.form === "plain") header.reset(start, end);
    else readSyslogHeader(bytes, start, end, header);
    const json = this.#finder.find(bytes, header.messageStart, header.messageEnd);
    const values = this.#options.template.fields.map((field, i) => this.#value(batch, field, json ? i + 1 : -1));
    const minute = this.#timed ? Math.floor(this.#timeMs(batch, json) / 60_000) : 0;
    const key = `${minute}\n${values.join("\n")}`;
    const known = this.#paths.get(key);
    if (known !== undefined) return known;
    const time = this.#timeOf(minute);
    const path = renderPath(this.#options.template, (_, i) => values[i], (letter) => time[letter]!);
    if (this.#paths.size >= maxPaths) this.#paths.clear();
    this.#paths.set(key, path);
    return path;
  }

  #value({ bytes, origin }: Batch, field: TemplateField, member: number): string | undefined {
    const { hostStart, hostEnd, programStart, programEnd } = this.#header;
    const text = (start: number, end: number): string => decoder.decode(bytes.subarray(start, end));
    switch (field.own) {
      case undefined: {
        const value = member < 0 ? undefined : this.#finder.text(member);
        return value === "null" ? undefined : value?.slice(0, maxValueLength).replaceAll("\n", " ");
      }
      case "host":
        return origin.peer ?? (text(hostStart, hostEnd) || origin.host);
      case "program":
        return text(programStart, programEnd) || origin.program;
      case "source":
        return origin.source;
      case "peer":
        return origin.peer;
    }
  }

  /** The record's own time where it is a likely one, else when it was read: nobody makes folders for the year 9999. */
  #timeMs({ bytes, origin }: Batch, json: boolean): number {
    const { readAtMs } = origin;
    const { timeStart, timeEnd } = this.#header;
    let timeMs = NaN;
    if (json && this.#finder.starts[0]! >= 0) {
      timeMs = timeOfValue(bytes, this.#finder.starts[0]!, this.#finder.ends[0]!, readAtMs);
    } else if (timeEnd > timeStart) timeMs = readTimeMs(bytes, timeStart, timeEnd, readAtMs);
    return timeMs >= earliestMs && timeMs <= readAtMs + dayMs ? timeMs : readAtMs;
  }

  #timeOf(minute: number): Readonly<Record<string, string>> {
    if (minute === this.#lastMinute) return this.#lastTime;
    const date = new Date(minute * 60_000);
    const zoned = this.#options.localTime ? date.getTime() - date.getTimezoneOffset() * 60_000 : date.getTime();
    const [, Y, m, d, H, M] = /^(\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d)/.exec(new Date(zoned).toISOString())!;
    this.#lastMinute = minute;
    return this.#lastTime = { Y: Y!, m: m!, d: d!, H: H!, M: M! };
  }
}

/** Milliseconds since 1970 of a time as JSON has it, NaN when it is none. */
function timeOfValue(bytes: Uint8Array, start: number, end: number, nowMs: number): number {
  if (bytes[start] !== quote) {
    const number = Number(textOfValue(bytes, start, end));
    return number > 1e11 ? number : number * 1_000;
  }
  return utcTimeMs(bytes, start + 1, end - 1) ?? readTimeMs(bytes, start + 1, end - 1, nowMs, 0);
}

/** `2026-11-20T19:32:47.948037Z` without a string; undefined for every other form. */
function utcTimeMs(bytes: Uint8Array, start: number, end: number): number | undefined {
  if (end - start < 20 || bytes[end - 1] !== upperZ || bytes[start + 10] !== upperT || bytes[start + 16] !== colon) {
    return undefined;
  }
  const digits = (at: number, count: number): number => {
    let number = 0;
    for (let i = 0; i < count; i++) number = 10 * number + bytes[start + at + i]! - 48;
    return number;
  };
  const [month, day, hour, minute] = [digits(5, 2), digits(8, 2), digits(11, 2), digits(14, 2)];
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59)) {
    return undefined;
  }
  return Date.UTC(digits(0, 4), month - 1, day, hour, minute) + 1_000 * digits(17, 2);
}

const maxPaths = 4_096;
/** Longer values only make a longer digest. */
const maxValueLength = 4_096;
const dayMs = 86_400_000;
const earliestMs = Date.UTC(1971, 0, 1);
const decoder = new TextDecoder();
const quote = 34;
const colon = 58;
const upperT = 84;
const upperZ = 90;
