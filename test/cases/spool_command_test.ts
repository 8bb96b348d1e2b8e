/** `agent spool`: what an operator does with the disk queue of an agent that does not run. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { batchOfLines, recordText } from "../../src/pipeline/batch.ts";
import { openSpool } from "../../src/spool/spool.ts";
import { lockFolder } from "../../src/system/lock.ts";
import { agentCommand } from "../peers/agent.ts";
import { runProgram } from "../peers/process.ts";

const origin = { source: "tap", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 0 } as const;

async function agentSpool(words: readonly string[], expectCode = 0): Promise<{ stdout: string; stderr: string }> {
  const { command, args } = agentCommand(["spool", ...words]);
  return await runProgram(command, args, { expectCode });
}

/** A state folder whose spool holds the records 0 to 19, of which loghost has confirmed 5. */
async function inState(test: (state: string) => Promise<void>): Promise<void> {
  const state = Deno.makeTempDirSync({ prefix: "spool-command-" });
  try {
    {
      using _lock = lockFolder(state);
      const options = {
        folder: join(state, "spool"),
        maxBytes: 1 << 20,
        segmentBytes: 300,
        whenFull: "block",
      } as const;
      await using spool = await openSpool({ ...options, readers: ["loghost", "archive"] });
      for (let i = 0; i < 20; i += 5) {
        await spool.append(batchOfLines([0, 1, 2, 3, 4].map((n) => `record ${i + n}`), origin));
      }
      spool.commit("loghost", { spool: 5 });
    }
    await test(state);
  } finally {
    Deno.removeSync(state, { recursive: true });
  }
}

function lines(from: number, end: number): string {
  return Array.from({ length: end - from }, (_, i) => `record ${from + i}\n`).join("");
}

function firstSegment(state: string): string {
  const names = [...Deno.readDirSync(join(state, "spool"))].map(({ name }) => name).filter((name) =>
    name.endsWith(".seg")
  );
  return join(state, "spool", names.sort()[0]!);
}

function contents(state: string): readonly (readonly [string, string])[] {
  const folder = join(state, "spool");
  return [...Deno.readDirSync(folder)].map(({ name }) => [name, Deno.readFileSync(join(folder, name)).toHex()] as const)
    .sort();
}

/** Breaks the body of the second frame: records 5 to 9. */
function damage(state: string): void {
  const path = firstSegment(state);
  const bytes = Deno.readFileSync(path);
  bytes[new TextDecoder("latin1").decode(bytes).indexOf("record 7")]! ^= 0xff;
  Deno.writeFileSync(path, bytes);
}

Deno.test("agent spool check says what waits for whom, and changes nothing", () =>
  inState(async (state) => {
    const before = contents(state);
    const { stdout } = await agentSpool(["check", "--state", state]);
    assert.match(stdout, /^20 records in 2 segments/);
    assert.match(stdout, /sink "archive": confirmed up to 0, 20 records to go\n/);
    assert.match(stdout, /sink "loghost": confirmed up to 5, 15 records to go\nno damage\n$/);
    const report = JSON.parse((await agentSpool(["check", "--json", "--state", state])).stdout);
    assert.deepEqual([report.records, report.damagedBytes, report.missingRecords], [20, 0, 0]);
    assert.deepEqual(contents(state), before);
  }));

Deno.test("agent spool check ends with 1 where something is damaged", () =>
  inState(async (state) => {
    damage(state);
    const report = JSON.parse((await agentSpool(["check", "--json", "--state", state], 1)).stdout);
    assert.deepEqual([report.records, report.missingRecords, report.segments[0].damage.length], [15, 5, 1]);
    assert.match((await agentSpool(["check", "--state", state], 1)).stdout, /damage: \d+ bytes, 5 records missing/);
  }));

Deno.test("agent spool export writes records as lines or JSON, from a number or for a sink; 3 where some are damaged", () =>
  inState(async (state) => {
    assert.equal((await agentSpool(["export", "--state", state])).stdout, lines(0, 20));
    assert.equal((await agentSpool(["export", "--state", state, "--reader", "loghost"])).stdout, lines(5, 20));
    const output = join(state, "records.jsonl");
    await agentSpool(["export", "--folder", join(state, "spool"), "--json", "--from", "18", "--output", output]);
    const objects = Deno.readTextFileSync(output).trimEnd().split("\n").map((line) => JSON.parse(line));
    const readAt = "1970-01-01T00:00:00.000Z";
    const { readAtMs: _, ...known } = origin;
    assert.deepEqual(
      objects,
      [18, 19, 20].map((number) => ({ number, ...known, readAt, message: `record ${number - 1}` })),
    );
    damage(state);
    const { stdout, stderr } = await agentSpool(["export", "--state", state], 3);
    assert.equal(stdout, lines(0, 5) + lines(10, 20));
    assert.match(stderr, /damaged bytes were left out/);
  }));

Deno.test("agent spool drop takes records from all sinks, which are told of it", () =>
  inState(async (state) => {
    assert.match((await agentSpool(["drop", "--state", state, "--through", "12"])).stdout, /^12 records dropped/);
    assert.equal((await agentSpool(["export", "--state", state, "--reader", "archive"])).stdout, lines(12, 20));
    assert.match((await agentSpool(["check", "--state", state])).stdout, /12 records were dropped/);
    const folder = join(state, "spool");
    await using spool = await openSpool({ folder, maxBytes: 1 << 20, whenFull: "block", readers: ["loghost"] });
    spool.finish();
    const texts: string[] = [];
    const limits = { maxRecords: 100, maxBytes: 1 << 20 };
    for await (const batch of spool.reader("loghost").read(await spool.get("loghost"), limits, AbortSignal.any([]))) {
      for (let i = 0; i < batch.count; i++) texts.push(recordText(batch, i) + "\n");
    }
    assert.equal(texts.join(""), lines(12, 20) + "gap: 12 records dropped from the spool by hand\n");
  }));

Deno.test("agent spool drop --all leaves an empty spool", () =>
  inState(async (state) => {
    assert.match((await agentSpool(["drop", "--state", state, "--all"])).stdout, /^20 records dropped/);
    assert.equal((await agentSpool(["export", "--state", state])).stdout, "");
  }));

Deno.test("agent spool refuses what it cannot do, and says what to try", () =>
  inState(async (state) => {
    const cases: [string[], number, RegExp][] = [
      [["drop", "--state", state], 2, /name what is to go\nTry: agent spool drop --through NUMBER/],
      [["mend", "--state", state], 2, /"mend" is no action/],
      [["export", "--state", state, "--reader", "nobody"], 2, /knows no "nobody"/],
      [
        ["check", "--state", join(state, "elsewhere")],
        1,
        /Cannot read spool "[^"]*elsewhere\/spool"[^]*\nTry: --state/,
      ],
    ];
    for (const [words, code, text] of cases) assert.match((await agentSpool(words, code)).stderr, text);
    using _lock = lockFolder(state);
    assert.match((await agentSpool(["check", "--state", state], 1)).stderr, /held by another agent \(process \d+\)/);
  }));
