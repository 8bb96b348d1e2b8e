/** One client of the forward source, from its first byte to its last acknowledgement. */
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { encode } from "@msgpack/msgpack";
import { parseForwardMessage } from "../../formats/forward_protocol.ts";
import type { Batch, Origin } from "../../pipeline/batch.ts";
import { errorText, PeerError } from "../../pipeline/errors.ts";
import type { Connection } from "../../system/connection.ts";
import { openLog } from "../../system/log.ts";
import { type Gathered, Gathering, type GatheringOptions } from "./gathering.ts";
import { type BufferRoom, MessageReader } from "./message_reader.ts";
import { Handshake } from "./shared_key.ts";

/** What all sessions of a source share. */
export interface SessionContext extends GatheringOptions {
  readonly id: string;
  /** This machine's, for the handshake. */
  readonly hostname: string;
  readonly program?: string;
  readonly priority: number;
  readonly room: BufferRoom;
  /** Undefined: nobody is asked for one. */
  readonly keys?: () => readonly string[];
  readonly handshakeTimeoutMs: number;
  /** From the first byte of a message to its last. */
  readonly messageTimeoutMs: number;
  /** Between messages; 0: any time. */
  readonly idleTimeoutMs: number;
  /** Hands a batch on; resolves when there is room for the next, with false when nobody wants it any more. */
  give(batch: Batch, chunks: string[], session: Session): Promise<boolean>;
  /** Lets one session at a time hold an unpacked message. */
  alone(action: () => Promise<void>): Promise<void>;
}

/** Who is at the other end. */
export interface SessionPeer {
  /** Host of records that name none. */
  readonly host: string;
  /** Name that it proved with its certificate. */
  readonly peerName?: string;
}

/** A client. `run` reads until the client or the source ends; acknowledgements may follow until `close`. */
export class Session {
  readonly connection: Connection;
  readonly #context: SessionContext;
  readonly #peer: SessionPeer;
  readonly #reader: MessageReader;
  readonly #gathering: Gathering;
  /** Of the batch that was given last, until it is confirmed: the chunks that it answers. */
  #lastChunks: string[] | undefined;
  #writing: Promise<void> = Promise.resolve();
  #unwrittenBytes = 0;
  #awaitsAcks = false;
  #stopped = false;
  #tooLate: string | undefined;
  #messageEndsMs: number | undefined;

  constructor(context: SessionContext, connection: Connection, peer: SessionPeer) {
    this.connection = connection;
    this.#context = context;
    this.#peer = peer;
    this.#reader = new MessageReader(context.room, context.keys === undefined ? context.maxMessageBytes : maxPingBytes);
    this.#gathering = new Gathering(context);
  }

  /** Never rejects. The connection is closed at its end, unless the source was stopped: then it waits for `close`. */
  async run(): Promise<void> {
    try {
      const { keys } = this.#context;
      if (keys === undefined || await this.#shakeHands(keys())) await this.#takeAll();
      const { unfinishedBytes } = this.#reader;
      if (this.#tooLate !== undefined) this.#complain(this.#tooLate);
      else if (unfinishedBytes > 0 && !this.#stopped) {
        this.#complain(`it ended within a message (${unfinishedBytes} bytes)`);
      }
    } catch (error) {
      await this.#flush().catch(() => {}); // whole messages that came before what broke
      // A client that went between messages is no news.
      if (error instanceof PeerError && this.#reader.unfinishedBytes === 0) log.debug(errorText(error));
      else if (!this.#stopped) this.#complain(errorText(error));
      this.connection.destroy();
    } finally {
      this.#reader.close();
      if (!this.#stopped) this.connection.destroy();
    }
  }

  /** Reads no more; what came is still given and acknowledged. */
  stop(): void {
    this.#stopped = true;
    this.connection.stopReading();
  }

  /** Ends the connection behind the acknowledgements that are on their way. */
  async close(deadlineMs: number): Promise<void> {
    this.#stopped = true;
    const timer = setTimeout(() => this.connection.destroy(), deadlineMs);
    await this.#writing;
    await this.connection.close(deadlineMs);
    clearTimeout(timer);
  }

  /** A batch is safe: the messages that end with it are acknowledged. */
  confirm(chunks: string[]): void {
    if (this.#lastChunks === chunks) this.#lastChunks = undefined;
    this.#acknowledge(chunks);
  }

  /** Records of a batch were dropped: a client that waits for acknowledgements is cut off, so that it sends them again. */
  refuse(): void {
    if (this.#awaitsAcks) this.connection.destroy();
  }

  /** Whether the client proved to hold a key; false when it, or the source, ended before. */
  async #shakeHands(keys: readonly string[]): Promise<boolean> {
    const { hostname, handshakeTimeoutMs, maxMessageBytes } = this.#context;
    const handshake = new Handshake(keys, hostname);
    this.#messageEndsMs = performance.now() + handshakeTimeoutMs;
    await this.#write(handshake.helo);
    while (!this.#reader.next()) {
      const chunk = await this.#read();
      if (chunk === undefined) {
        if (this.#tooLate === undefined && this.#reader.unfinishedBytes === 0) return false; // a health check
        throw new Error(this.#tooLate ?? "it went before it showed the shared key");
      }
      this.#reader.push(chunk);
    }
    this.#messageEndsMs = undefined;
    const { bytes, start, end } = this.#reader;
    const answer = handshake.answer(bytes.subarray(start, end));
    if (answer === undefined) throw new Error("it shows no shared key");
    await this.#write(answer.pong);
    if (!answer.accepted) {
      await this.connection.close(lastWordsMs);
      throw new Error("its shared key is not ours");
    }
    this.#reader.allow(maxMessageBytes);
    return true;
  }

  async #takeAll(): Promise<void> {
    for (;;) {
      if (this.#reader.next()) {
        this.#messageEndsMs = undefined;
        await this.#take();
        if (this.#gathering.isCrowded) await this.#flush();
        continue;
      }
      await this.#flush();
      const chunk = await this.#read();
      if (chunk === undefined) return;
      this.#reader.push(chunk);
    }
  }

  async #take(): Promise<void> {
    const { bytes, start, end } = this.#reader;
    const message = parseForwardMessage(bytes, start, end, this.#gathering.scanner);
    if (message === undefined) return;
    if (message.chunk !== undefined) this.#awaitsAcks = true;
    const { host } = this.#peer;
    const { priority, program, alone } = this.#context;
    const defaults = { host, priority, receivedAtMs: Date.now(), ...(program === undefined ? {} : { program }) };
    const addAll = async (bytes: Uint8Array, start: number, end: number): Promise<void> => {
      const all = this.#gathering.add(message, bytes, start, end, defaults, this.#origin);
      for (const gathered of all) await this.#give(gathered);
    };
    if (!message.compressed) return await addAll(bytes, message.start, message.end);
    await alone(async () => {
      const unpacked = await this.#unpack(bytes.subarray(message.start, message.end));
      await addAll(unpacked, 0, unpacked.length);
    });
  }

  /** A few bytes can unpack to any number: the limit of a message holds for what comes out, too. */
  async #unpack(packed: Uint8Array): Promise<Uint8Array> {
    const { maxMessageBytes } = this.#context;
    if (packed.length === 0) return packed;
    try {
      return await promisify(gunzip)(packed, { maxOutputLength: maxMessageBytes });
    } catch (error) {
      const isLong = (error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE";
      throw new Error(
        isLong ? `a message unpacks to more than ${maxMessageBytes} bytes` : "its gzip is none, or it is damaged",
      );
    }
  }

  async #flush(): Promise<void> {
    if (!this.#gathering.isEmpty) await this.#give(this.#gathering.flush(this.#origin));
  }

  async #give({ batch, chunks }: Gathered): Promise<void> {
    const ends = [...chunks];
    if (batch.count > 0) {
      this.#lastChunks = ends;
      if (!await this.#context.give(batch, ends, this)) throw new Error("the source has stopped");
    } else if (this.#lastChunks === undefined) this.#acknowledge(ends);
    else if (this.#lastChunks.push(...ends) > maxUnconfirmed) throw new Error("too many messages wait to be stored");
  }

  /** The next bytes, within the time that they have. */
  async #read(): Promise<Uint8Array | undefined> {
    const { idleTimeoutMs, messageTimeoutMs } = this.#context;
    const isWithin = this.#reader.unfinishedBytes > 0 || this.#messageEndsMs !== undefined;
    if (isWithin) this.#messageEndsMs ??= performance.now() + messageTimeoutMs;
    const waitMs = isWithin ? Math.max(0, this.#messageEndsMs! - performance.now()) : idleTimeoutMs;
    if (waitMs === 0 && !isWithin) return await this.connection.read();
    const timer = setTimeout(() => {
      if (isWithin) this.#tooLate = "it took too long to send a message";
      this.connection.destroy();
    }, waitMs);
    try {
      return await this.connection.read();
    } finally {
      clearTimeout(timer);
    }
  }

  #acknowledge(chunks: readonly string[]): void {
    if (chunks.length === 0 || this.connection.closed) return;
    const answers = chunks.map((chunk) => encode({ ack: chunk }));
    const bytes = new Uint8Array(answers.reduce((sum, { length }) => sum + length, 0));
    answers.reduce((at, answer) => (bytes.set(answer, at), at + answer.length), 0);
    void this.#write(bytes).catch(() => {}); // a client that is gone sends again
  }

  /** Writes behind what is being written; a client that takes nothing is cut off. */
  #write(bytes: Uint8Array): Promise<void> {
    this.#unwrittenBytes += bytes.length;
    if (this.#unwrittenBytes > maxUnwrittenBytes) this.connection.destroy();
    const written = this.#writing.then(async () => {
      const timer = setTimeout(() => this.connection.destroy(), writeTimeoutMs);
      try {
        await this.connection.write(bytes);
      } finally {
        clearTimeout(timer);
        this.#unwrittenBytes -= bytes.length;
      }
    });
    this.#writing = written.catch(() => {});
    return written;
  }

  #complain(reason: string): void {
    log.warning(`${this.#context.id} closed the connection of ${this.connection.peerAddress}: ${reason}`);
  }

  get #origin(): Origin {
    const { id, priority, program = "forward" } = this.#context;
    const { host, peerName } = this.#peer;
    const origin = { source: id, host, program, priority, form: "syslog", readAtMs: Date.now() } as const;
    return peerName === undefined ? origin : { ...origin, peer: peerName };
  }
}

const log = openLog("forward");
const maxPingBytes = 4_096;
const maxUnconfirmed = 10_000;
const maxUnwrittenBytes = 4 * 2 ** 20;
const writeTimeoutMs = 30_000;
const lastWordsMs = 300;
