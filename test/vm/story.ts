/** The course of a router's test: cables and power are cut, and what must have arrived is asked of both collectors. */
import { deepEqual, ok } from "node:assert/strict";
import type { DebianArchitecture } from "../../scripts/debian_root.ts";
import { say } from "../../scripts/program.ts";
import type { Collector } from "../peers/collector.ts";
import { textBelow } from "../peers/numbered_lines.ts";
import { waitFor } from "../peers/process.ts";
import type { RelpServer } from "../peers/rsyslog.ts";
import type { VirtualMachine } from "../peers/vm.ts";
import { arrived } from "./received.ts";

/** A machine that is booted, and how patient the test is. */
export interface Case {
  readonly architecture: DebianArchitecture;
  /** Name of the agent's target. */
  readonly target: string;
  readonly memoryMiB: number;
  /** From a reset until its programs run, at the most. */
  readonly bootDeadlineMs: number;
  /** For lines to arrive. */
  readonly deadlineMs: number;
  /** Between 20 lines of a program and the next 20. */
  readonly pauseSeconds: number;
  /** Two boots in place of three, and what the first start would unpack is on the disk. */
  readonly isShort: boolean;
}

/** What happens to the router, and what must have arrived after it. Boots are called a, b, c. */
export class Story {
  readonly #machine: Case;
  readonly #router: VirtualMachine;
  readonly #ends: Readonly<Record<string, () => string>>;
  readonly #run: string;
  readonly #beganMs = performance.now();
  /** Letters of the boots so far. */
  #boots = "";
  /** Lines of STREAM and boot that must arrive. */
  readonly #due = new Map<string, number>();

  constructor(machine: Case, router: VirtualMachine, collector: Collector, rsyslog: RelpServer, run: string) {
    this.#machine = machine;
    this.#router = router;
    this.#run = run;
    this.#ends = {
      "agent collect": () => collector.text(),
      "rsyslog": () => textBelow(rsyslog.output), // there once the first line is
    };
  }

  /** First boot, certificate, lines; then the cable is out while lines go on. */
  async cutCable(): Promise<void> {
    await this.#boot("a");
    await this.#arrival("a", 40);
    this.#say("the first lines are there; the cable is out");
    await this.#router.setLink(false);
    await this.#more("a", 100);
    await this.#router.setLink(true);
    this.#say("the cable is in again");
    await this.#arrival("a", 0);
  }

  /** What is logged behind a cut cable is on the router's disk alone when its power goes. */
  async cutPowerBehindCutCable(): Promise<void> {
    await this.#router.setLink(false);
    await this.#more("a", 100, onDisk);
    await this.#router.reset();
    this.#say("power cut behind a cut cable");
    await this.#boot("b");
    await this.#router.setLink(true);
    await this.#arrival("b", 40);
    await this.#allDue();
  }

  /** The power goes while lines are on their way. */
  async cutPower(): Promise<void> {
    await this.#more("b", 60);
    await this.#allDue();
    await this.#more("b", 60, onDisk);
    await this.#router.reset();
    this.#say("power cut while lines are on their way");
    await this.#boot("c");
    await this.#arrival("c", 40);
    await this.#allDue();
  }

  /** The writers stop, and all that they wrote in the last boot arrives; then all is judged. */
  async end(): Promise<void> {
    const boot = this.#boots.at(-1);
    await this.#router.console("touch /run/stop", this.#machine.deadlineMs);
    for (const stream of streams) {
      const [, count] = await this.#router.program.waitForOutput(
        new RegExp(`@@end ${stream} ${boot} (\\d+)\\r?\\n`), // to its end: a number may come in parts
        this.#machine.deadlineMs,
      );
      this.#due.set(`${stream} ${boot}`, Number(count));
    }
    await this.#allDue();
    for (const [end, text] of Object.entries(this.#ends)) this.#judge(end, text());
  }

  #judge(end: string, text: string): void {
    for (const [key, count] of [...this.#due].sort()) {
      const [stream, boot] = key.split(" ");
      const found = arrived(text, `${this.#run}${stream}${boot}`, count);
      this.#say(
        `${end}: ${stream} of boot ${boot}: ${count} due, ${found.missingCount} lost, ` +
          `${found.received - count} more, ${found.duplicates} twice`,
      );
      deepEqual(found.missing, [], `${end}: ${key}`);
    }
    // The kernel's own words of every boot, from before the agent ran.
    const firstWords = [...text.matchAll(/Linux version 6/g)].length; // one that came twice is none too many
    ok(firstWords >= this.#boots.length, `${end}: the kernel's first words ${firstWords} times, boots ${this.#boots}`);
  }

  async #boot(boot: string): Promise<void> {
    const [, ready] = (await this.#router.waitForBoot(this.#machine.bootDeadlineMs)).split(" ");
    this.#boots += boot;
    const agent = new RegExp(`@@agent ${boot} (\\S+)`).exec(this.#router.said)?.[1];
    const disk = new RegExp(`@@boot ${boot} (\\S+)`).exec(this.#router.said)?.[1];
    this.#say(`boot ${boot}: disk after ${disk} s, agent version after ${agent} s, services after ${ready} s`);
  }

  /** Waits until `count` more lines of each stream are said to be there, and notes them as due. */
  async #more(boot: string, count: number, of: readonly string[] = streams): Promise<void> {
    for (const stream of of) {
      const wanted = this.#there(stream, boot) + count;
      await waitFor(() => this.#there(stream, boot) >= wanted, `${count} more of ${stream}`, this.#machine.deadlineMs);
    }
    for (const stream of of) this.#due.set(`${stream} ${boot}`, this.#there(stream, boot));
  }

  /** Waits until at least `count` lines of each stream of this boot, and all that are due, are at both ends. */
  async #arrival(boot: string, count: number): Promise<void> {
    for (const stream of streams) {
      const key = `${stream} ${boot}`;
      this.#due.set(key, Math.max(this.#due.get(key) ?? 0, count));
    }
    await this.#allDue();
  }

  async #allDue(): Promise<void> {
    for (const [end, text] of Object.entries(this.#ends)) {
      for (const [key, count] of this.#due) {
        const run = this.#run + key.replace(" ", "");
        await waitFor(
          () => arrived(text(), run, count).missingCount === 0,
          `the first ${count} lines of ${key} at ${end}`,
          this.#machine.deadlineMs,
        ).catch(async (error) => {
          const found = arrived(text(), run, count);
          throw new Error(`${error.message}: ${JSON.stringify(found)}\n${await this.#whereIs(run, found.missing[0])}`);
        });
      }
    }
  }

  /** What the router has of a line that did not arrive, and whether it arrives yet: lost, or late. */
  async #whereIs(run: string, number = 0): Promise<string> {
    const line = `${run} ${String(number).padStart(9, "0")}`;
    const there = await this.#router.console(
      `grep -rc "${line}" /var/log /var/lib/agent; dmesg | grep -c "${line}"`,
      60_000,
      [
        0,
        1,
      ],
    );
    const late = Object.entries(this.#ends).map(([end, text]) =>
      `${end}: ${text().includes(line) ? "late" : "not there"}`
    );
    return `"${line}": ${late.join(", ")}; in the router\n${there}`;
  }

  /** What the router said last: lines that its disk has, or that its kernel was told. */
  #there(stream: string, boot: string): number {
    const found = [...this.#router.said.matchAll(new RegExp(`@@(?:disk|said) ${stream} ${boot} (\\d+)\\r?\\n`, "g"))]
      .at(-1);
    return Number(found?.[1] ?? 0);
  }

  #say(text: string): void {
    say(`  ${((performance.now() - this.#beganMs) / 1_000).toFixed(1)} s ${this.#machine.target}: ${text}`);
  }
}

/** What a power cut leaves: the kernel's log is in memory alone until it is sent. */
const onDisk = ["app", "messages"];
const streams = [...onDisk, "kernel"];
