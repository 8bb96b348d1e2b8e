/** The file source over what container runtimes write: wrapped records, and long ones in parts. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Batch, recordText } from "../../src/pipeline/batch.ts";
import { mergePosition, type Position } from "../../src/pipeline/checkpoint.ts";
import type { Source } from "../../src/pipeline/source.ts";
import { type FileSourceOptions, openFileSource } from "../../src/sources/file/file_source.ts";
import { stretched } from "../peers/process.ts";

interface Reading {
  readonly texts: readonly string[];
  /** Records delivered and the position, after each batch. */
  readonly steps: readonly (readonly [number, Position])[];
  readonly source: Source;
}

/** Reads all that is there, once. */
async function read(
  folder: string,
  options: Partial<FileSourceOptions>,
  { from, maxRecords = 2 }: { from?: Position; maxRecords?: number } = {},
): Promise<Reading> {
  const base = { id: "f", include: [join(folder, "*.log")], start: "beginning", once: true, hostname: "h" } as const;
  const source = openFileSource({ ...base, report: () => {}, ...options });
  const texts: string[] = [];
  const steps: (readonly [number, Position])[] = [];
  let position = from;
  const take = (batch: Batch): void => {
    for (let i = 0; i < batch.count; i++) texts.push(recordText(batch, i));
    position = mergePosition(position, batch.position);
    steps.push([texts.length, position]);
    batch.release();
  };
  for await (const batch of source.read(from, { maxRecords, maxBytes: 64 * 1024 }, new AbortController().signal)) {
    take(batch);
  }
  return { texts, steps, source };
}

async function withFile(content: string, use: (folder: string, path: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(join(folder, "a.log"), content);
    await use(folder, join(folder, "a.log"));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const cri = (tag: string, text: string, stream = "stdout"): string =>
  `2024-05-01T10:00:00.5Z ${stream} ${tag} ${text}\n`;
const docker = (log: string, stream = "stdout"): string =>
  JSON.stringify({ log, stream, time: "2024-05-01T10:00:00.5Z" }) + "\n";

Deno.test("36: openFileSource() takes CRI lines apart and joins their parts, each stream's own", () =>
  withFile(
    cri("F", "one") + cri("P", "a1 ") + cri("F", "error", "stderr") + cri("P", "a2 ") + cri("F", "a3") +
      "no runtime wrote this\n" + cri("F", ""),
    async (folder) => {
      const { texts } = await read(folder, { format: "cri" });
      assert.deepEqual(texts, ["one", "error", "a1 a2 a3", "no runtime wrote this", ""]);
    },
  ));

Deno.test("36: openFileSource() takes docker's JSON apart, joins 16 KiB parts, and keeps JSON in JSON as it was said", () => {
  const long = "ü".repeat(20_000);
  const parts = [long.slice(0, 8_000), long.slice(8_000, 16_000), long.slice(16_000) + "\n"];
  return withFile(docker('{"message":"x"}\n') + parts.map((part) => docker(part)).join(""), async (folder) => {
    assert.deepEqual((await read(folder, { format: "docker" })).texts, ['{"message":"x"}', long]);
  });
});

Deno.test("36: openFileSource() leaves parts in the file until the message is whole, also over a restart", () =>
  withFile(cri("F", "one") + cri("P", "half "), async (folder, path) => {
    const options = { format: "cri", once: false } as const;
    const { texts, position } = await readUntilIdle(folder, options, undefined, 1);
    assert.deepEqual(texts, ["one"]);
    Deno.writeTextFileSync(path, cri("F", "whole") + cri("F", "two"), { append: true });
    const second = await readUntilIdle(folder, options, position, 2);
    assert.deepEqual(second.texts, ["half whole", "two"]);
    assert.deepEqual((await readUntilIdle(folder, options, second.position, 0)).texts, []);
  }));

Deno.test("36: openFileSource() can go on behind any batch: nothing is lost, and nothing comes twice that was whole", () => {
  let content = "";
  for (let i = 0; i < 40; i++) {
    content += i % 3 === 0 ? cri("P", `p${i} `) + cri("F", `e${i}`, "stderr") + cri("F", `q${i}`) : cri("F", `l${i}`);
  }
  return withFile(content, async (folder) => {
    const { texts, steps } = await read(folder, { format: "cri" });
    assert.equal(texts.length, 40 + 14);
    assert.ok(steps.length > 15);
    for (const [count, position] of steps) {
      const rest = await read(folder, { format: "cri" }, { from: position });
      assert.deepEqual(rest.texts, texts.slice(count));
    }
  });
});

for (const longLines of ["split", "truncate", "skip"] as const) {
  Deno.test(`36: openFileSource() with ${longLines} holds joined messages to the longest line, and counts`, () => {
    const content = cri("F", "before") + cri("P", "x".repeat(900)) + cri("P", "y".repeat(900)) +
      cri("F", "z".repeat(900)) +
      cri("F", "after");
    return withFile(content, async (folder) => {
      const { texts, source } = await read(folder, { format: "cri", longLines, maxLineBytes: 1_024 });
      const lengths = { split: [1_024, 1_024, 652], truncate: [1_024], skip: [] }[longLines];
      assert.deepEqual(texts.map(({ length }) => length), [6, ...lengths, 5]);
      const dropped = {
        split: undefined,
        truncate: { records: 0, bytes: 2_700 - 1_024 },
        skip: { records: 1, bytes: 2_700 },
      };
      assert.deepEqual(source.drops?.().get("longLine"), dropped[longLines]);
    });
  });
}

Deno.test("36: openFileSource() ends a message that fills its block, and goes on", () => {
  const part = cri("P", "x".repeat(10_000));
  return withFile(part.repeat(60) + cri("F", "end") + cri("F", "after"), async (folder) => {
    const { texts } = await read(folder, { format: "cri" });
    assert.equal(texts.join("").length, 600_000 + "endafter".length);
    assert.equal(texts.at(-1), "after");
    assert.ok(texts.every(({ length }) => length <= 65_536));
  });
});

Deno.test("36: openFileSource() joins stack traces in wrapped lines, too", () =>
  withFile(
    docker("Error\n") + docker("  at a\n") + docker("  at ") + docker("b\n") + docker("next\n") + docker("  at c\n"),
    async (folder) => {
      const multiline = { continuePattern: "^\\s", timeoutMs: 60_000 };
      const { texts } = await read(folder, { format: "docker", multiline });
      assert.deepEqual(texts, ["Error\n  at a\n  at b", "next\n  at c"]);
    },
  ));

/** Reads until so many records are there, or will never be, and then until nothing has come for a while. */
async function readUntilIdle(
  folder: string,
  options: Partial<FileSourceOptions>,
  from: Position | undefined,
  count: number,
): Promise<{ texts: readonly string[]; position: Position | undefined }> {
  const base = { id: "f", include: [join(folder, "*.log")], start: "beginning", hostname: "h" } as const;
  const source = openFileSource({ ...base, report: () => {}, ...options });
  const stop = new AbortController();
  const texts: string[] = [];
  let position = from;
  let timer = setTimeout(() => stop.abort(), count === 0 ? idleMs : stretched(15_000));
  for await (const batch of source.read(from, { maxRecords: 100, maxBytes: 64 * 1024 }, stop.signal)) {
    for (let i = 0; i < batch.count; i++) texts.push(recordText(batch, i));
    position = mergePosition(position, batch.position);
    batch.release();
    if (texts.length < count) continue;
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(), idleMs);
  }
  clearTimeout(timer);
  return { texts, position };
}

const idleMs = 300;
