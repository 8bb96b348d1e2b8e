/**
 * `agent ship` from files while something is wrong around them: the disk of the positions is full, permissions are taken
 * away, the file system's clock steps, a disk does not give what is on it. Numbered lines, and the verdict: nothing lost,
 * duplicates within the bound, order kept within a content.
 */
import { Buffer } from "node:buffer";
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { startCollector } from "../peers/collector.ts";
import { judgeLines, newRun, perfect, writeNumberedLines } from "../peers/numbered_lines.ts";
import { type RunningProgram, runProgram, waitFor } from "../peers/process.ts";
import { ShipWith } from "../peers/ship_with.ts";
import { needs, onlyIf } from "../peers/skip.ts";
import { SmallDisk } from "../peers/small_disk.ts";

/** Records that a kill may repeat. */
const windowRecords = 1_024;

/** One run: lines that are written, and what a collector has of them. */
class Lines {
  readonly run = newRun();
  readonly #output: string;
  count = 0;

  constructor(output: string) {
    this.#output = output;
  }

  write(path: string, count: number): void {
    writeNumberedLines(path, this.run, this.count, this.count += count);
  }

  async arrived(what: string): Promise<void> {
    await waitFor(() => this.verdict().lost === 0, what, 60_000);
  }

  verdict(): ReturnType<typeof judgeLines> {
    return judgeLines(this.#output, this.run, this.count);
  }

  /** All came, whole and in order, and no more than `duplicates` twice. */
  judge(duplicates: number): void {
    const verdict = this.verdict();
    ok(verdict.duplicates <= duplicates, `${verdict.duplicates} duplicates, ${duplicates} may be`);
    deepStrictEqual(
      { ...verdict, duplicates: 0, foreign: 0 },
      { ...perfect(this.count), received: this.count + verdict.duplicates },
    );
  }
}

/** How often a program has said something so far. */
function said(program: RunningProgram, words: RegExp): number {
  return [...program.stderr.matchAll(new RegExp(words, "g"))].length;
}

Deno.test({
  name: "agent ship goes on while its positions cannot be written, says so once, and repeats what that cost alone",
  ...onlyIf(needs("root", "mount").ignore === false, "a tmpfs cannot be mounted"),
  fn: async () => {
    await using collector = await startCollector();
    await using disk = await SmallDisk.mount(join(collector.folder, "disk"));
    const [path, lines] = [join(collector.folder, "in.log"), new Lines(collector.output)];
    const sources = { file: { type: "file", include: [path] } };
    await using shipper = new ShipWith({ sources, port: collector.port, state: join(disk.path, "state") });
    lines.write(path, 2_000);
    let program = await shipper.startAndWait();
    await lines.arrived("lines before the disk is full");
    disk.fill();
    lines.write(path, 20_000);
    await lines.arrived("lines while the disk is full");
    await program.waitForOutput(/Cannot write position/);
    const whileFull = lines.count - 2_000;

    await shipper.kill(); // the disk is still full
    program = await shipper.startAndWait();
    lines.write(path, 10_000);
    await lines.arrived("lines of a start on a full disk");
    await program.waitForOutput(/Cannot write position/);
    lines.judge(whileFull + windowRecords);

    const { duplicates } = lines.verdict();
    disk.free();
    lines.write(path, 1_000);
    await program.waitForOutput(/positions are written again/);
    await lines.arrived("lines after there was room again");
    strictEqual(said(program, /Cannot write position/), 1);
    strictEqual(said(program, /positions are written again/), 1);
    await shipper.kill();
    await shipper.startAndWait();
    lines.write(path, 1_000);
    await lines.arrived("lines after a kill");
    lines.judge(duplicates + windowRecords);
  },
});

Deno.test({
  name: "agent ship reads on what a disk did not give for a while, says so once, and holds up no other file",
  ...needs("root", "mkfs.ext4", "mount", "dd"),
  fn: async () => {
    const device = await LoopDisk.mount();
    if (device === undefined) return;
    await using _device = device;
    await using collector = await startCollector();
    const [bad, good] = [new Lines(collector.output), new Lines(collector.output)];
    const [path, other] = [join(device.path, "in.log"), join(collector.folder, "other.log")];
    bad.write(path, 5_000);
    await device.fail(path, 300_000);
    good.write(other, 100);
    const sources = { file: { type: "file", include: [path, other] } };
    await using shipper = new ShipWith({ sources, port: collector.port });
    const program = await shipper.startAndWait();
    await program.waitForOutput(/Cannot read file .*in\.log": .*[Ii]nput\/output error/);
    await good.arrived("lines of the other file");
    ok(bad.verdict().lost >= 3_000, "what was said not to be readable was read");
    await new Promise((resolve) => setTimeout(resolve, 5_000)); // tries of its own
    good.write(other, 100);
    await good.arrived("more lines of the other file");
    device.heal();
    await bad.arrived("what the disk gives now");
    strictEqual(said(program, /Cannot read file/), 1);
    strictEqual(said(program, /can be read again/), 1);
    for (const lines of [bad, good]) lines.judge(0);
  },
});

Deno.test("agent ship follows rotations while the clock of the file system steps by hours, over kills, too", async () => {
  await using collector = await startCollector();
  const logs = join(collector.folder, "logs");
  Deno.mkdirSync(logs);
  const [path, lines] = [join(logs, "a.log"), new Lines(collector.output)];
  const sources = { file: { type: "file", include: [join(logs, "*.log")] } };
  await using shipper = new ShipWith({ sources, port: collector.port });
  await shipper.startAndWait();
  const hours = [0, 5, -3, -26, 2, -1, 48, 0];
  for (const [i, hour] of hours.entries()) {
    const stamp = new Date(Date.now() + hour * 3_600_000);
    const write = (count: number): void => {
      lines.write(path, count);
      Deno.utimeSync(path, stamp, stamp); // as if the clock said so
    };
    write(300);
    await lines.arrived(`lines of a content, the clock at ${hour} hours`);
    if (i % 4 === 3) await shipper.kill();
    write(200); // not read before the rotation
    if (i % 2 === 0) Deno.renameSync(path, `${path}.${i}`);
    else {
      Deno.copyFileSync(path, `${path}.${i}`);
      Deno.utimeSync(`${path}.${i}`, stamp, stamp);
      Deno.truncateSync(path);
    }
    write(100);
    if (i % 4 === 3) await shipper.startAndWait();
    await lines.arrived(`lines around a rotation, the clock at ${hour} hours`);
  }
  await shipper.program[Symbol.asyncDispose]();
  const { lost, duplicates, damaged } = lines.verdict(); // the order is that of each content
  deepStrictEqual([lost, damaged], [0, 0]);
  ok(duplicates <= 2 * windowRecords, `${duplicates} duplicates`);
});

/** An ext4 in a file that can lose its end: the kernel then answers EIO for what was there. */
class LoopDisk implements AsyncDisposable {
  readonly path: string;
  readonly #folder: string;
  #saved = new Uint8Array();

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, "mounted");
  }

  /** Undefined, and said aloud, where no file can be mounted. */
  static async mount(): Promise<LoopDisk | undefined> {
    const disk = new LoopDisk(Deno.makeTempDirSync({ prefix: "loop" }));
    Deno.mkdirSync(disk.path);
    Deno.writeFileSync(disk.#image, new Uint8Array(16 * 2 ** 20));
    await runProgram("mkfs.ext4", ["-q", "-b", "4096", "-O", "^has_journal", disk.#image]);
    try {
      await runProgram("mount", ["-o", "loop,noatime", disk.#image, disk.path]);
      return disk;
    } catch {
      Deno.removeSync(disk.#folder, { recursive: true });
      onlyIf(false, "no file can be mounted");
      return undefined;
    }
  }

  get #image(): string {
    return join(this.#folder, "image");
  }

  /** Of `path`, which lies there in one piece, nothing behind `offset` can be read any more. */
  async fail(path: string, offset: number): Promise<void> {
    const head = Deno.readFileSync(path).subarray(0, 100);
    await runProgram("sync", ["-f", path]);
    await runProgram("dd", [`if=${path}`, "iflag=nocache", "count=0", "of=/dev/null"]); // nor is it in memory
    this.#saved = Deno.readFileSync(this.#image);
    const start = Buffer.from(this.#saved.buffer).indexOf(head);
    Deno.truncateSync(this.#image, start + Math.floor(offset / 4_096) * 4_096); // whole pages
  }

  /** It can be read again. */
  heal(): void {
    using image = Deno.openSync(this.#image, { write: true });
    for (let done = 0; done < this.#saved.length;) done += image.writeSync(this.#saved.subarray(done));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await runProgram("umount", ["-l", this.path]);
    Deno.removeSync(this.#folder, { recursive: true });
  }
}
