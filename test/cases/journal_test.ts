/**
 * The journal source against real journals, made from export text by systemd-journal-remote: nothing lost, nothing twice,
 * through what befalls a cursor. Scripts stand in for journalctl where a failure is wanted that it has no switch for.
 */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { type Batch, recordText } from "../../src/pipeline/batch.ts";
import { mergePosition, type Position } from "../../src/pipeline/checkpoint.ts";
import { type JournalSourceOptions, openJournalSource } from "../../src/sources/journal/source.ts";
import { runProgram, waitFor } from "../peers/process.ts";
import { needs, onlyIf } from "../peers/skip.ts";

const remote = "/lib/systemd/systemd-journal-remote";
const limits = { maxRecords: 100, maxBytes: 64 * 1024 };
const never = new AbortController().signal;
const thisBoot = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim().replaceAll("-", "");
const oldBoot = "0123456789abcdef0123456789abcdef";
const firstUs = 1_700_000_000_000_001;

interface Entry {
  readonly n: number;
  readonly boot?: string;
  readonly fields?: Readonly<Record<string, string | Uint8Array>>;
}

/** Entries number `from` up to `to`, `n` in the message and a second apart. */
function entries(from: number, to: number, boot = oldBoot): Entry[] {
  return Array.from({ length: to - from }, (_, i) => ({ n: from + i, boot }));
}

/** The export format: fields with their length for what is no line of text. */
function exported(list: readonly Entry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const line = (text: string): void => void parts.push(new TextEncoder().encode(text + "\n"));
  for (const { n, boot = oldBoot, fields = {} } of list) {
    line(`__REALTIME_TIMESTAMP=${firstUs + n * 1_000_000}`);
    line(`__MONOTONIC_TIMESTAMP=${1_000 + n * 1_000_000}`);
    line(`_BOOT_ID=${boot}`);
    const all = { MESSAGE: `entry ${n}`, PRIORITY: "6", SYSLOG_IDENTIFIER: "app", _HOSTNAME: "router1", ...fields };
    for (const [name, value] of Object.entries(all)) {
      if (typeof value === "string" && !value.includes("\n")) line(`${name}=${value}`);
      else {
        const octets = typeof value === "string" ? new TextEncoder().encode(value) : value;
        line(name);
        const size = new Uint8Array(8);
        new DataView(size.buffer).setBigUint64(0, BigInt(octets.length), true);
        parts.push(size, octets);
        line("");
      }
    }
    line("");
  }
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

async function makeJournal(folder: string, name: string, list: readonly Entry[]): Promise<void> {
  const text = join(folder, `${name}.export`);
  Deno.writeFileSync(text, exported(list));
  await runProgram(remote, ["-o", join(folder, `${name}.journal`), text]);
  Deno.removeSync(text);
}

/** A source that is read in the background. */
class Reader {
  readonly records: string[] = [];
  position: Position | undefined;
  readonly #stop = new AbortController();
  readonly done: Promise<void>;

  constructor(folder: string, options: Partial<JournalSourceOptions> & { from?: Position | undefined } = {}) {
    const { from, ...more } = options;
    this.position = from;
    const source = openJournalSource({
      id: "units",
      host: "here",
      once: false,
      extraArgs: [`--directory=${folder}`],
      ...more,
    });
    this.done = this.#run(source.read(from, limits, this.#stop.signal));
    this.done.catch(() => {}); // looked at by `stop`
  }

  async #run(batches: AsyncIterable<Batch>): Promise<void> {
    for await (const batch of batches) {
      for (let i = 0; i < batch.count; i++) this.records.push(recordText(batch, i));
      this.position = mergePosition(this.position, batch.position);
      batch.release();
    }
  }

  /** The messages alone. */
  get messages(): string[] {
    return this.records.map((record) => record.replace(/^<\d+>\S+ \S+ \S+ /, ""));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.done;
  }
}

/** All that is there after `from`. */
async function readOnce(
  folder: string,
  from?: Position,
  more: Partial<JournalSourceOptions> = {},
): Promise<Reader> {
  const reader = new Reader(folder, { from, once: true, ...more });
  await reader.done;
  return reader;
}

const messagesOf = (from: number, to: number) => entries(from, to).map(({ n }) => `entry ${n}`);

function journalCase(name: string, run: (folder: string) => Promise<void>): void {
  Deno.test({
    name: `openJournalSource() ${name}`,
    ...needs("journalctl", remote),
    fn: async () => {
      const folder = Deno.makeTempDirSync();
      try {
        await run(folder);
      } finally {
        Deno.removeSync(folder, { recursive: true });
      }
    },
  });
}

journalCase("makes a syslog record of an entry, octets and long texts included", async (folder) => {
  await makeJournal(folder, "a", [
    { n: 0, fields: { PRIORITY: "3", SYSLOG_FACILITY: "4", SYSLOG_IDENTIFIER: "sshd", _PID: "812" } },
    { n: 1, fields: { MESSAGE: "two\nlines" } },
    { n: 2, fields: { MESSAGE: new Uint8Array([27, 91, 49, 109, 255]) } },
    { n: 3, fields: { MESSAGE: "x".repeat(5_000) } },
    { n: 4, fields: { MESSAGE: "ä".repeat(40_000) } },
  ]);
  const { records, messages } = await readOnce(folder);
  strictEqual(records[0], "<35>2023-11-14T22:13:20.000001+00:00 router1 sshd[812]: entry 0");
  strictEqual(records[1]!.slice(records[1]!.indexOf("app: ")), "app: two\nlines");
  strictEqual(messages[2], "\x1b[1m\ufffd");
  strictEqual(messages[3], "x".repeat(5_000));
  strictEqual(messages.length, 6, "a message of 80,000 bytes is two records");
  strictEqual(messages[4]! + messages[5]!, "ä".repeat(40_000));
});

journalCase("resumes behind the last entry, and finds nothing new twice", async (folder) => {
  await makeJournal(folder, "a", entries(0, 5));
  const first = await readOnce(folder);
  deepStrictEqual(first.messages, messagesOf(0, 5));
  await makeJournal(folder, "b", entries(5, 8));
  const second = await readOnce(folder, first.position);
  deepStrictEqual(second.messages, messagesOf(5, 8));
  const third = await readOnce(folder, second.position);
  deepStrictEqual(third.messages, []);
  deepStrictEqual(third.position, second.position);
});

journalCase("loses nothing when it is stopped between any two batches", async (folder) => {
  await makeJournal(folder, "a", entries(0, 40, oldBoot));
  await makeJournal(folder, "b", entries(40, 90, thisBoot));
  const got: string[] = [];
  let position: Position | undefined;
  for (let run = 1; run < 100 && got.length < 90; run++) {
    const source = openJournalSource({
      id: "j",
      host: "h",
      once: true,
      extraArgs: [`--directory=${folder}`],
    });
    let batches = 0;
    for await (const batch of source.read(position, { maxRecords: 1 + run % 4, maxBytes: 1_000 }, never)) {
      for (let i = 0; i < batch.count; i++) got.push(recordText(batch, i).replace(/^.*app: /, ""));
      position = mergePosition(position, batch.position);
      if (++batches >= 1 + run % 3) break;
    }
  }
  deepStrictEqual(got, messagesOf(0, 90));
});

journalCase("shows every entry that is left when the cursor's file was vacuumed, and leaves a gap", async (folder) => {
  await makeJournal(folder, "a", entries(0, 4));
  const { position } = await readOnce(folder);
  await makeJournal(folder, "b", entries(4, 9));
  Deno.removeSync(join(folder, "a.journal"));
  const { messages } = await readOnce(folder, position);
  match(messages[0]!, /^agent: gap of journal entries: removed/);
  deepStrictEqual(messages.slice(1), messagesOf(4, 9));
});

journalCase("goes on by time from a cursor that cannot be sought", async (folder) => {
  await makeJournal(folder, "a", entries(0, 6));
  const damaged = { journal: { cursor: "not a cursor", realtimeUs: firstUs + 3_000_000 } };
  const reader = await readOnce(folder, damaged);
  deepStrictEqual(reader.messages, messagesOf(3, 6), "the second of the saved time comes again");
  deepStrictEqual((await readOnce(folder, reader.position)).messages, []);
  for (const garbage of [{ journal: 7 }, { journal: { cursor: "" } }, { journal: { cursor: "x", realtimeUs: -1 } }]) {
    deepStrictEqual((await readOnce(folder, garbage)).messages, messagesOf(0, 6), JSON.stringify(garbage));
  }
});

journalCase("reads the units and severities it is told to, and starts at the end", async (folder) => {
  await makeJournal(folder, "a", [
    { n: 0, fields: { _SYSTEMD_UNIT: "kubelet.service", PRIORITY: "3" } },
    { n: 1, fields: { _SYSTEMD_UNIT: "other.service", PRIORITY: "3" } },
    { n: 2, fields: { _SYSTEMD_UNIT: "kubelet.service", PRIORITY: "6" } },
  ]);
  deepStrictEqual((await readOnce(folder, undefined, { units: ["kubelet"] })).messages, ["entry 0", "entry 2"]);
  deepStrictEqual((await readOnce(folder, undefined, { priority: 4 })).messages, ["entry 0", "entry 1"]);
  const end = await readOnce(folder, undefined, { start: "end" });
  deepStrictEqual(end.messages, []);
  await makeJournal(folder, "b", entries(3, 5));
  deepStrictEqual((await readOnce(folder, end.position, { start: "end" })).messages, messagesOf(3, 5));
});

journalCase("follows a journal that grows, after the entries of older boots, and through new files", async (folder) => {
  await makeJournal(folder, "old", entries(0, 3, oldBoot));
  // Of a folder, journalctl follows the latest boot it finds at its start; of this machine, always the current one.
  await makeJournal(folder, "current", entries(3, 5, thisBoot));
  const reader = new Reader(folder);
  const writer = new Deno.Command(remote, {
    args: ["-o", join(folder, "live.journal"), "-"],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const input = writer.stdin.getWriter();
  try {
    for (let n = 5; n < 12; n++) {
      await input.write(exported(entries(n, n + 1, thisBoot)));
      await waitFor(() => reader.messages.includes(`entry ${n}`), `entry ${n}`);
    }
    await makeJournal(folder, "next", entries(12, 15, thisBoot));
    await waitFor(() => reader.messages.includes("entry 14"), "the entries of a new file");
    await reader.stop();
    deepStrictEqual(reader.messages, messagesOf(0, 15));
  } finally {
    await input.close();
    await writer.status;
  }
});

/** A stand-in for journalctl. */
function script(folder: string, body: string): string {
  const path = join(folder, "journalctl");
  Deno.writeTextFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return path;
}

const printed = (n: number, cursor = `s=a;i=${n.toString(16)};b=b`) =>
  `echo '{"__CURSOR":"${cursor}","__REALTIME_TIMESTAMP":"${firstUs}","MESSAGE":"entry ${n}"}'`;

journalCase("ends journalctl and all that it started when it is stopped", async (folder) => {
  const journalctl = script(folder, `sleep 1000 & echo "$! $$" > ${folder}/pids; ${printed(1)}; wait`);
  const reader = new Reader(folder, { journalctl });
  await waitFor(() => reader.messages.length === 1, "an entry");
  const pids = Deno.readTextFileSync(join(folder, "pids")).trim().split(" ");
  strictEqual(pids.length, 2);
  await reader.stop();
  await waitFor(() => pids.every(isGone), "the end of both processes");
});

/** A process that has ended may still wait for whoever inherited it. */
function isGone(pid: string): boolean {
  try {
    return /^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return true;
  }
}

journalCase(
  "starts journalctl again when it dies, from the last entry, and passes over a torn line",
  async (folder) => {
    // The first run dies within its third entry; later ones begin at the cursor, as journalctl does.
    const journalctl = script(
      folder,
      `case "$*" in
*--cursor=s=a\\;i=2*) ${printed(2)}; ${printed(3)};;
*--cursor=s=a\\;i=3*) case "$*" in *--follow*) ${printed(3)}; ${printed(4)}; sleep 1000;; *) ${printed(3)};; esac;;
*) ${printed(1)}; ${printed(2)}; printf '{"__CURSOR":"s=a;i=3'; kill -9 $$;;
esac`,
    );
    const reader = new Reader(folder, { journalctl });
    await waitFor(() => reader.messages.length >= 4, "four entries");
    await reader.stop();
    deepStrictEqual(reader.messages, messagesOf(1, 5));
  },
);

journalCase("says how many entries may be gone, and that one cannot be read", async (folder) => {
  const journalctl = script(folder, `${printed(9)}; echo 'no entry'; echo 'nor this'; ${printed(10)}`);
  const from = { journal: { cursor: "s=a;i=3;b=b", realtimeUs: firstUs } };
  const { messages } = await readOnce(folder, from, { journalctl });
  match(messages[0]!, /^agent: gap of up to 5 journal entries/);
  strictEqual(messages[1], "entry 9");
  match(messages[2]!, /^agent: gap of 1 journal entry: /);
  deepStrictEqual(messages.slice(3), ["entry 10"]);
});

journalCase("reads no more of journalctl than its consumer takes", async (folder) => {
  const journalctl = script(folder, `i=0; while :; do i=$((i+1)); echo $i > ${folder}/count; ${printed(7)}; done`);
  const stop = new AbortController();
  const source = openJournalSource({ id: "j", host: "h", once: true, journalctl });
  const batches = source.read(undefined, limits, stop.signal)[Symbol.asyncIterator]();
  await batches.next();
  const count = () => Number(Deno.readTextFileSync(join(folder, "count")));
  let before = -1;
  await waitFor(
    async () => {
      const now = count();
      const still = now === before && now > 0;
      before = now;
      if (!still) await new Promise((resolve) => setTimeout(resolve, 100));
      return still;
    },
    "the writer being held up",
    60_000,
  );
  ok(count() < 10_000, `${count()} entries were taken off the pipe`);
  stop.abort();
  await batches.return?.();
});

Deno.test("openJournalSource() says what to do where there is no journalctl, and why a run failed", async () => {
  const folder = Deno.makeTempDirSync();
  const missing = readOnce(folder, undefined, { journalctl: join(folder, "none") });
  await rejects(missing, /^Error: Cannot read the journal with ".*none": there is no such program\nTry: /);
  const failing = script(folder, "echo 'Cannot allocate memory' >&2; exit 1");
  await rejects(
    readOnce(folder, undefined, { journalctl: failing }),
    /Cannot read the journal: Cannot allocate memory/,
  );
  Deno.removeSync(folder, { recursive: true });
});

const machineId = readText("/etc/machine-id").trim();

Deno.test({
  name: "openJournalSource() reads the namespace that it is told, and no other",
  ...onlyIf(machineId !== "" && !needs("journalctl", "unshare", "root", remote).ignore, "needs root and a machine id"),
  fn: async () => {
    const folder = Deno.makeTempDirSync();
    try {
      for (const [name, from] of [[machineId, 0], [`${machineId}.pods`, 10]] as const) {
        Deno.mkdirSync(join(folder, name));
        await makeJournal(join(folder, name), "system", entries(from, from + 3));
      }
      // Where journald keeps its journals, in a view of the file system that only this journalctl has.
      const seen = `mount -t tmpfs none /var/log && mkdir /var/log/journal && mount --bind ${folder} /var/log/journal`;
      const journalctl = script(folder, `exec unshare -m sh -c '${seen} && exec journalctl "$@"' sh "$@"`);
      const read = (more: Partial<JournalSourceOptions>): Promise<Reader> =>
        readOnce(folder, undefined, { journalctl, extraArgs: [], ...more });
      deepStrictEqual((await read({ namespace: "pods" })).messages, messagesOf(10, 13));
      deepStrictEqual((await read({})).messages, messagesOf(0, 3));
      const first = await read({ namespace: "pods" });
      deepStrictEqual(
        (await readOnce(folder, first.position, { journalctl, extraArgs: [], namespace: "pods" })).messages,
        [],
      );
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
