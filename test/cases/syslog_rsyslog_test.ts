/** The syslog parsers and encoders beside the real rsyslog: both read the same records the same way. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { join } from "node:path";
import { readSyslogHeader, SyslogHeader } from "../../src/formats/syslog.ts";
import { encodeElement, encodeSyslogHeader } from "../../src/formats/syslog_encode.ts";
import { encodeCount } from "../../src/formats/syslog_framing.ts";
import { readTimeMs } from "../../src/formats/syslog_time.ts";
import { freePort, isListening } from "../peers/ports.ts";
import { RunningProgram } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

/** What both of them say of a record. */
interface Reading {
  readonly priority: number;
  /** Milliseconds since 1970; 0 where the record has no time. */
  readonly timeMs: number;
  readonly host: string;
  readonly program: string;
  readonly procid: string;
  readonly msgid: string;
  readonly data: string;
  readonly message: string;
}

const encoder = new TextEncoder();
const nil = (text: string): string => text === "-" ? "" : text;

/** Our reading. */
function read(record: string): Reading {
  const bytes = encoder.encode(record);
  const header = new SyslogHeader();
  ok(readSyslogHeader(bytes, 0, bytes.length, header), record);
  const text = (start: number, end: number): string => new TextDecoder().decode(bytes.subarray(start, end));
  const timeMs = readTimeMs(bytes, header.timeStart, header.timeEnd, Date.now());
  return {
    priority: header.priority,
    timeMs: Number.isNaN(timeMs) ? 0 : timeMs,
    host: text(header.hostStart, header.hostEnd),
    program: text(header.programStart, header.programEnd),
    procid: text(header.procidStart, header.procidEnd),
    msgid: text(header.msgidStart, header.msgidEnd),
    data: text(header.dataStart, header.dataEnd),
    message: text(header.messageStart, header.messageEnd),
  };
}

/** rsyslog's reading of all records, which it gets in one connection. */
async function readWithRsyslog(records: readonly string[]): Promise<Reading[]> {
  const folder = Deno.makeTempDirSync({ prefix: "imtcp" });
  const port = freePort();
  const output = join(folder, "out.jsonl");
  const config = join(folder, "rsyslog.conf");
  const field = (name: string, property: string): string =>
    `property(outname="${name}" name="${property}" format="jsonf")`;
  Deno.writeTextFileSync(
    config,
    `
global(workDirectory="${folder}")
module(load="imtcp")
template(name="parts" type="list") {
  constant(value="{") ${
      field("pri", "pri")
    } constant(value=",") property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  constant(value=",") ${field("host", "hostname")} constant(value=",") ${
      field("program", "app-name")
    } constant(value=",") ${field("procid", "procid")}
  constant(value=",") ${field("msgid", "msgid")} constant(value=",") ${
      field("data", "structured-data")
    } constant(value=",") ${field("message", "msg")}
  constant(value="}\\n")
}
ruleset(name="recv") { action(type="omfile" file="${output}" template="parts") }
input(type="imtcp" port="${port}" address="127.0.0.1" ruleset="recv")
`,
  );
  try {
    await using server = RunningProgram.start("rsyslogd", ["-n", "-f", config, "-i", join(folder, "pid")], {
      name: "rsyslog",
    });
    await server.waitUntil(() => isListening(port), "imtcp");
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    for (const record of records) {
      const bytes = encoder.encode(record);
      await connection.write(new Uint8Array([...encodeCount(bytes.length), ...bytes]));
    }
    connection.close();
    const lines = (): string[] => {
      try {
        return Deno.readTextFileSync(output).split("\n").slice(0, -1); // whole ones
      } catch {
        return [];
      }
    };
    await server.waitUntil(() => lines().length >= records.length, "all records");
    return lines().map(parseReading);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function parseReading(line: string): Reading {
  const parts = JSON.parse(line) as Record<string, string>;
  return {
    priority: Number(parts.pri),
    timeMs: new Date(parts.time!).getTime(),
    host: nil(parts.host!),
    program: nil(parts.program!),
    procid: nil(parts.procid!),
    msgid: nil(parts.msgid!),
    data: nil(parts.data!),
    message: parts.message!.replace(/^ /, ""),
  };
}

/**
 * rsyslog's reading, with ours where the difference is meant. A host that is an IPv6 address is in no sample: rsyslog takes
 * it for a tag.
 */
function comparable(reading: Reading, ours: Reading): Reading {
  return {
    ...reading,
    timeMs: ours.timeMs === 0 ? 0 : reading.timeMs, // rsyslog fills in the time and host it received them
    host: ours.host === "" ? "" : reading.host,
    program: ours.program.startsWith(`${reading.program}/`) ? ours.program : reading.program, // it cuts at a slash
  };
}

Deno.test({
  name: "readSyslogHeader() reads what the real rsyslog reads",
  ...needs("rsyslogd"),
  fn: async () => {
    const samples = new URL("../data/syslog/samples.txt", import.meta.url);
    const records = Deno.readTextFileSync(samples).trimEnd().split("\n");
    const theirs = await readWithRsyslog(records);
    deepStrictEqual(
      theirs.map((reading, i) => comparable(reading, read(records[i]!))),
      records.map(read),
    );
  },
});

Deno.test({
  name: "encodeSyslogHeader() is read by the real rsyslog as it was meant",
  ...needs("rsyslogd"),
  fn: async () => {
    const timeMs = Date.now() - 86_400_000 - Date.now() % 1_000;
    const fields = { priority: 30, timeMs, host: "router1", program: "kubelet", procid: "12" };
    const data = encodeElement("meta@0", { note: 'a "b" ] \\', site: "ä" });
    const headers = [
      encodeSyslogHeader("forward", fields),
      encodeSyslogHeader("rfc5424", { ...fields, msgid: "ID1", data }),
      encodeSyslogHeader("rfc5424", { ...fields, timeMs: NaN, procid: "" }),
    ];
    const theirs = await readWithRsyslog(headers.map((header) => `${new TextDecoder().decode(header)}message: text`));
    const want = {
      priority: 30,
      timeMs,
      host: "router1",
      program: "kubelet",
      procid: "12",
      msgid: "",
      data: "",
      message: "message: text",
    };
    deepStrictEqual(theirs.slice(0, 2), [want, { ...want, msgid: "ID1", data }]);
    deepStrictEqual({ ...theirs[2]!, timeMs: 0 }, { ...want, timeMs: 0, procid: "" });
  },
});
