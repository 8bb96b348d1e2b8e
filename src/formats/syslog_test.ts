import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { priorityAt, readSyslogHeader, SyslogHeader } from "./syslog.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Parts {
  form: string;
  priority: number;
  time: string;
  host: string;
  program: string;
  procid: string;
  msgid: string;
  data: string;
  message: string;
}

function partsIn(bytes: Uint8Array, start: number, end: number, header = new SyslogHeader()): Parts {
  readSyslogHeader(bytes, start, end, header);
  const text = (from: number, to: number): string => {
    ok(start <= from && from <= to && to <= end, `span ${from}..${to} lies within ${start}..${end}`);
    return decoder.decode(bytes.subarray(from, to));
  };
  return {
    form: header.form,
    priority: header.priority,
    time: text(header.timeStart, header.timeEnd),
    host: text(header.hostStart, header.hostEnd),
    program: text(header.programStart, header.programEnd),
    procid: text(header.procidStart, header.procidEnd),
    msgid: text(header.msgidStart, header.msgidEnd),
    data: text(header.dataStart, header.dataEnd),
    message: text(header.messageStart, header.messageEnd),
  };
}

/** The parts that are not empty. */
function parts(record: string): Partial<Parts> {
  const bytes = encoder.encode(record);
  const all = partsIn(bytes, 0, bytes.length);
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== "")) as Partial<Parts>;
}

const f = { form: "rfc5424" };
const b = { form: "rfc3164" };

/** What senders send, and what it says. */
const samples: readonly (readonly [record: string, want: Partial<Parts>])[] = [
  // RFC 5424 section 6.5
  ["<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \uFEFF'su root' failed", {
    ...f,
    priority: 34,
    time: "2003-10-11T22:14:15.003Z",
    host: "mymachine.example.com",
    program: "su",
    msgid: "ID47",
    message: "'su root' failed",
  }],
  ["<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time", {
    ...f,
    priority: 165,
    time: "2003-08-24T05:14:15.000003-07:00",
    host: "192.0.2.1",
    program: "myproc",
    procid: "8710",
    message: "%% It's time",
  }],
  ['<165>1 2003-10-11T22:14:15.003Z h ev - ID47 [e@32473 i="3" s="A\\"p\\]\\\\"][p@32473 c="high"] An event', {
    ...f,
    priority: 165,
    time: "2003-10-11T22:14:15.003Z",
    host: "h",
    program: "ev",
    msgid: "ID47",
    data: '[e@32473 i="3" s="A\\"p\\]\\\\"][p@32473 c="high"]',
    message: "An event",
  }],
  ['<0>1 2003-10-11T22:14:15.003Z h ev - - [e@32473 i="3"]', {
    ...f,
    priority: 0,
    time: "2003-10-11T22:14:15.003Z",
    host: "h",
    program: "ev",
    data: '[e@32473 i="3"]',
  }],
  ["<13>1 - - - - - -", { ...f, priority: 13 }],
  ["<13>1 - - - - - - ", { ...f, priority: 13 }],
  ["<13>1 - - - - - - [not data", { ...f, priority: 13, message: "[not data" }],
  ["<13>1 - h app - - [broken data", { ...f, priority: 13, host: "h", program: "app", message: "[broken data" }],
  ["<13>1 2003-10-11T22:14:15Z h", { ...f, priority: 13, time: "2003-10-11T22:14:15Z", host: "h" }],
  // RSYSLOG_ForwardFormat
  ["<134>2026-11-20T19:32:47.948037+00:00 router1 kubelet[812]: up", {
    ...b,
    priority: 134,
    time: "2026-11-20T19:32:47.948037+00:00",
    host: "router1",
    program: "kubelet",
    procid: "812",
    message: "up",
  }],
  ["<13>2026-11-20T19:32:47Z router1 postfix/smtpd[9]: a: b", {
    ...b,
    priority: 13,
    time: "2026-11-20T19:32:47Z",
    host: "router1",
    program: "postfix/smtpd",
    procid: "9",
    message: "a: b",
  }],
  // RFC 3164 section 5.4
  ["<34>Oct 11 22:14:15 mymachine su: 'su root' failed on /dev/pts/8", {
    ...b,
    priority: 34,
    time: "Oct 11 22:14:15",
    host: "mymachine",
    program: "su",
    message: "'su root' failed on /dev/pts/8",
  }],
  ["<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!", {
    ...b,
    priority: 13,
    time: "Feb  5 17:32:18",
    host: "10.0.0.99",
    program: "Use",
    message: "the BFG!",
  }],
  ["<13>Nov 20 19:36:32 t: hello", { ...b, priority: 13, time: "Nov 20 19:36:32", program: "t", message: "hello" }],
  ["<13>Nov 20 19:36:32 sshd[7]: hello", {
    ...b,
    priority: 13,
    time: "Nov 20 19:36:32",
    program: "sshd",
    procid: "7",
    message: "hello",
  }],
  ["<13>Nov  5 19:36:32 2001:db8::1 sshd[7] hello", {
    ...b,
    priority: 13,
    time: "Nov  5 19:36:32",
    host: "2001:db8::1",
    program: "sshd",
    procid: "7",
    message: "hello",
  }],
  ["<13>Nov 20 2026 19:36:32 fw1 : %ASA-6-302013: Built", {
    ...b,
    priority: 13,
    time: "Nov 20 2026 19:36:32",
    host: "fw1",
    message: ": %ASA-6-302013: Built",
  }],
  ["<13>Nov 20 19:36:32 2026 h su: x", {
    ...b,
    priority: 13,
    time: "Nov 20 19:36:32 2026",
    host: "h",
    program: "su",
    message: "x",
  }],
  ["<13>Tue Nov 20 19:36:32 2026 h su: x", {
    ...b,
    priority: 13,
    time: "Tue Nov 20 19:36:32 2026",
    host: "h",
    program: "su",
    message: "x",
  }],
  ["<189>29: *Mar  1 18:46:11.123: %SYS-5-CONFIG_I: Configured from console", {
    ...b,
    priority: 189,
    time: "Mar  1 18:46:11.123",
    program: "%SYS-5-CONFIG_I",
    message: "Configured from console",
  }],
  ["<13>Nov 20 19:36:32 h", { ...b, priority: 13, time: "Nov 20 19:36:32", message: "h" }],
  ["<13>Nov 20 19:36:32", { ...b, priority: 13, time: "Nov 20 19:36:32" }],
  ["<13> Nov 20 19:36:32 h su:x", {
    ...b,
    priority: 13,
    time: "Nov 20 19:36:32",
    host: "h",
    program: "su",
    message: "x",
  }],
  ["<13>su: no time", { ...b, priority: 13, program: "su", message: "no time" }],
  ["<13>hello world", { ...b, priority: 13, message: "hello world" }],
  ['<13>{"a": 1}', { ...b, priority: 13, message: '{"a": 1}' }],
  ["<13>", { ...b, priority: 13 }],
  // no <PRI>
  ["Nov 20 19:36:32 h su[3]: from a file", {
    ...b,
    priority: -1,
    time: "Nov 20 19:36:32",
    host: "h",
    program: "su",
    procid: "3",
    message: "from a file",
  }],
  ["hello world: x", { form: "none", priority: -1, message: "hello world: x" }],
  ["<999>Nov 20 19:36:32 h su: x", { form: "none", priority: -1, message: "<999>Nov 20 19:36:32 h su: x" }],
  ["<13", { form: "none", priority: -1, message: "<13" }],
  ["<>x", { form: "none", priority: -1, message: "<>x" }],
  ["", { form: "none", priority: -1 }],
  ["1 - - - - - -", { form: "none", priority: -1, message: "1 - - - - - -" }],
];

Deno.test("readSyslogHeader() finds the parts of what senders send", () => {
  for (const [record, want] of samples) deepStrictEqual(parts(record), want, record);
});

Deno.test("readSyslogHeader() forgets the record before", () => {
  const header = new SyslogHeader();
  const bytes = encoder.encode(samples[2]![0] + "hello");
  partsIn(bytes, 0, bytes.length - 5, header);
  const empty = { time: "", host: "", program: "", procid: "", msgid: "", data: "" };
  const want = { form: "none", priority: -1, ...empty, message: "hello" };
  deepStrictEqual(partsIn(bytes, bytes.length - 5, bytes.length, header), want);
});

Deno.test("readSyslogHeader() reads nothing outside the record, whatever it is and whatever stands around it", () => {
  const random = generator(7);
  for (let round = 0; round < 30_000; round++) {
    const sample = encoder.encode(samples[Math.floor(random() * samples.length)]![0]);
    const record = mutated(sample.subarray(0, Math.floor(random() * (sample.length + 1))), random);
    const want = partsIn(record, 0, record.length);
    for (const neighbours of ["0".repeat(40), ": <13>1 Nov 20 12:00:00 2026: - - ]"]) {
      const around = encoder.encode(neighbours);
      const bytes = new Uint8Array([...around, ...record, ...around]);
      deepStrictEqual(partsIn(bytes, around.length, around.length + record.length), want, decoder.decode(record));
    }
  }
});

Deno.test("priorityAt() takes 0 to 191 in up to three digits", () => {
  const at = (text: string): number => priorityAt(encoder.encode(text), 0, text.length);
  for (
    const [text, want] of [
      ["<0>", 0],
      ["<191>", 191],
      ["<013>", 13],
      ["<192>", -1],
      ["<0013>", -1],
      ["<1a>", -1],
      ["<-1>", -1],
      ["13>", -1],
      ["<13", -1],
    ] as const
  ) {
    strictEqual(at(text), want, text);
  }
});

function mutated(bytes: Uint8Array, random: () => number): Uint8Array {
  const copy = bytes.slice();
  for (let i = Math.floor(random() * 4); i > 0 && copy.length > 0; i--) {
    copy[Math.floor(random() * copy.length)] = random() < 0.5
      ? Math.floor(random() * 256)
      : ' :[]<>-"1'.charCodeAt(Math.floor(random() * 9));
  }
  return copy;
}

/** Numbers in 0..1, the same ones for the same seed (mulberry32). */
function generator(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
