/**
 * A virtual machine under qemu with a kernel and an initramfs of the test's own: a disk, a console, and a network in which the
 * host's loopback is 10.0.2.2.
 *
 * ```text
 *   ttyS0 / ttyAMA0   ──► stdout of qemu    what the kernel and the machine's programs say
 *   /dev/vport…       ◄─► console()         one command at a time, and what it prints
 *   QMP               ◄── setLink(), reset()
 * ```
 *
 * A port of virtio-serial, and no console of it: qemu drops what is written to a console while its reader is busy.
 *
 * The processor is emulated unless AGENT_VM_ACCEL names another way (`kvm`): in a virtual machine KVM may be there and hang.
 */
import { join } from "node:path";
import { RunningProgram, waitFor } from "./process.ts";

/** What differs between machines. */
export interface VmKind {
  /** The program of qemu. */
  readonly emulator: string;
  readonly words: readonly string[];
  /** The kernel's name of the serial port. */
  readonly serial: string;
}

/** Kinds by Debian's name of the architecture. */
export const vmKinds = {
  amd64: { emulator: "qemu-system-x86_64", words: ["-M", "q35", "-cpu", "max"], serial: "ttyS0" },
  // "max" signs pointers, in software: a start of the agent takes twice the time.
  arm64: { emulator: "qemu-system-aarch64", words: ["-M", "virt", "-cpu", "cortex-a72"], serial: "ttyAMA0" },
} as const satisfies Record<string, VmKind>;

/** How a machine is started. */
export interface VmOptions {
  readonly kind: VmKind;
  readonly kernel: string;
  readonly initramfs: string;
  /** Image of `/dev/vda`, raw; written to. */
  readonly disk: string;
  readonly memoryMiB: number;
  /** Behind `console=…` on the kernel's command line. */
  readonly kernelWords?: readonly string[];
}

/** A machine that runs. Dispose it to end it, as if its plug were pulled, and to remove its sockets. */
export class VirtualMachine implements AsyncDisposable {
  readonly program: RunningProgram;
  readonly #folder: string;
  readonly #qmp: LineSocket;
  readonly #console: LineSocket;
  #boots = 0;

  private constructor(program: RunningProgram, folder: string, qmp: LineSocket, console: LineSocket) {
    this.program = program;
    this.#folder = folder;
    this.#qmp = qmp;
    this.#console = console;
  }

  /** Starts it; its first programs do not run yet. */
  static async start(options: VmOptions): Promise<VirtualMachine> {
    const folder = Deno.makeTempDirSync({ prefix: "vm" });
    const { kind } = options;
    const program = RunningProgram.start(kind.emulator, qemuWords(options, folder), { name: kind.emulator });
    try {
      const qmp = await LineSocket.open(join(folder, "qmp"), program);
      const console = await LineSocket.open(join(folder, "console"), program);
      const machine = new VirtualMachine(program, folder, qmp, console);
      await machine.#command("qmp_capabilities");
      return machine;
    } catch (error) {
      await program.kill();
      Deno.removeSync(folder, { recursive: true });
      throw error;
    }
  }

  /** Everything that the machine said on its serial port, the last 1 MiB. */
  get said(): string {
    return this.program.stdout;
  }

  /**
   * Waits until the shell behind the console answers, once after each start of the machine.
   * @returns what it says then: the letter of the boot, and seconds since the kernel's start
   */
  async waitForBoot(deadlineMs: number): Promise<string> {
    const boot = ++this.#boots;
    try {
      return (await this.#console.lineLike(/^@@ready/, deadlineMs)).slice("@@ready ".length);
    } catch (error) {
      throw new Error(`Cannot see boot ${boot}: ${(error as Error).message}\n${this.said.slice(-6_000)}`);
    }
  }

  /** Runs a shell command inside. @returns what it printed @throws when it ends with another code than those */
  async console(command: string, deadlineMs: number, codes: readonly number[] = [0]): Promise<string> {
    await this.#console.write(command);
    const lines: string[] = [];
    for (;;) {
      const line = await this.#console.line(deadlineMs);
      const done = /^@@done (\d+)$/.exec(line);
      if (done === null) lines.push(line);
      else if (codes.includes(Number(done[1]))) return lines.join("\n");
      else throw new Error(`"${command}" ended with ${done[1]} in the machine\n${lines.join("\n").slice(-4_000)}`);
    }
  }

  /** Cuts the network cable, or plugs it in again. */
  async setLink(up: boolean): Promise<void> {
    await this.#command("set_link", { name: "net0", up });
  }

  /** What a power cut does: memory is gone, the disk keeps what was written to it. The machine starts again. */
  async reset(): Promise<void> {
    await this.#command("system_reset");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program.kill();
    await this.#qmp.finish();
    await this.#console.finish();
    Deno.removeSync(this.#folder, { recursive: true });
  }

  async #command(execute: string, words?: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#qmp.write(JSON.stringify({ execute, ...(words === undefined ? {} : { arguments: words }) }));
    const answer = await this.#qmp.lineLike(/^\{"(return|error)"/, qmpDeadlineMs); // events come in between
    if (!answer.startsWith('{"return"')) throw new Error(`qemu refused ${execute}: ${answer}`);
  }
}

function qemuWords(options: VmOptions, folder: string): readonly string[] {
  const { kind, kernelWords = [] } = options;
  const accelerator = Deno.env.get("AGENT_VM_ACCEL") ?? "tcg";
  return [
    ...kind.words,
    ...["-accel", accelerator, "-smp", "2", "-m", `${options.memoryMiB}`],
    ...["-nodefaults", "-display", "none", "-serial", "stdio"],
    ...["-kernel", options.kernel, "-initrd", options.initramfs],
    ...["-append", [`console=${kind.serial}`, "quiet", ...kernelWords].join(" ")],
    ...["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,id=net0,romfile="],
    ...["-drive", `file=${options.disk},if=none,id=disk,format=raw`, "-device", "virtio-blk-pci,drive=disk"],
    ...["-chardev", `socket,id=console,path=${join(folder, "console")},server=on,wait=off`],
    ...["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=console,name=console"],
    ...["-qmp", `unix:${join(folder, "qmp")},server=on,wait=off`],
  ];
}

/** A Unix socket of lines, read all the time so that the other end is never held up. */
class LineSocket {
  readonly #connection: Deno.Conn;
  readonly #lines: string[] = [];
  readonly #ended: Promise<void>;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
    this.#ended = this.#readAll();
  }

  /** Connects as soon as `program` listens there. */
  static async open(path: string, program: RunningProgram): Promise<LineSocket> {
    let connection: Deno.Conn | undefined;
    await program.waitUntil(async () => (connection = await tryConnect(path)) !== undefined, `a socket at "${path}"`);
    return new LineSocket(connection!);
  }

  async write(line: string): Promise<void> {
    const bytes = new TextEncoder().encode(line + "\n");
    for (let done = 0; done < bytes.length;) done += await this.#connection.write(bytes.subarray(done));
  }

  /** The next line. @throws at the deadline */
  async line(deadlineMs: number): Promise<string> {
    await waitFor(() => this.#lines.length > 0, "a line", deadlineMs);
    return this.#lines.shift()!;
  }

  /** The next line like `pattern`; those before it are passed over. */
  async lineLike(pattern: RegExp, deadlineMs: number): Promise<string> {
    const endMs = performance.now() + deadlineMs;
    for (;;) {
      const line = await this.line(Math.max(0, endMs - performance.now()));
      if (pattern.test(line)) return line;
    }
  }

  /** Waits for the end of a machine that is gone: the connection then closes itself. */
  async finish(): Promise<void> {
    await this.#ended;
  }

  async #readAll(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for await (const chunk of this.#connection.readable) {
        const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
        rest = parts.pop()!;
        this.#lines.push(...parts.map((line) => line.replace(/\r$/, "")));
      }
    } catch {
      // The machine is gone: whoever waits for a line fails by its deadline.
    }
  }
}

async function tryConnect(path: string): Promise<Deno.Conn | undefined> {
  try {
    return await Deno.connect({ transport: "unix", path });
  } catch {
    return undefined; // not yet
  }
}

const qmpDeadlineMs = 10_000;
