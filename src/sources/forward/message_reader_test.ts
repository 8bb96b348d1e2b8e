import { deepStrictEqual, ok, throws } from "node:assert/strict";
import { encode } from "@msgpack/msgpack";
import { BufferRoom, MessageReader } from "./message_reader.ts";

/** All messages of `bytes`, pushed in pieces. */
function messagesOf(reader: MessageReader, bytes: Uint8Array, pieceBytes: number): string[] {
  const messages: string[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    reader.push(bytes.slice(at, at + pieceBytes));
    while (reader.next()) messages.push(reader.bytes.subarray(reader.start, reader.end).toHex());
  }
  return messages;
}

Deno.test("MessageReader.next() finds the same messages however they are cut", () => {
  const messages = [1, "x".repeat(5_000), null, ["t", [[1, {}]]], "y".repeat(300)].map((value) => encode(value));
  const bytes = Uint8Array.from(messages.flatMap((message) => [...message]));
  const room = new BufferRoom(40_000);
  for (const pieceBytes of [1, 3, 997, 5_100, bytes.length]) {
    const reader = new MessageReader(room, 10_000);
    deepStrictEqual(messagesOf(reader, bytes, pieceBytes), messages.map((message) => message.toHex()));
    deepStrictEqual(reader.unfinishedBytes, 0);
  }
  room.take(40_000); // every reader gave its memory back by itself
});

Deno.test("MessageReader.push() refuses what the room has no memory for, until others give it back", () => {
  const room = new BufferRoom(20_000);
  const half = encode("x".repeat(12_000)).slice(0, 6_000);
  const first = new MessageReader(room, 15_000);
  ok(messagesOf(first, half, 3_000).length === 0);
  const second = new MessageReader(room, 15_000);
  throws(() => messagesOf(second, half, 3_000), /unfinished messages fill the memory/);
  second.close();
  first.close();
  const third = new MessageReader(room, 15_000);
  ok(messagesOf(third, half, 3_000).length === 0);
  third.close();
  room.take(20_000);
});
