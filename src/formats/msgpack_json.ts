/**
 * A value of MessagePack written as JSON, from bytes to bytes: the order of keys, keys like `__proto__` and integers of 64
 * bits stay as they were sent. Pure.
 */
import type { ByteWriter } from "./byte_writer.ts";
import { floatOf, integerOf, MsgpackError, readToken, Token } from "./msgpack.ts";

/**
 * Appends the value at `at`, which is whole and not too deep ({@linkcode endOfValue}). `bin` is taken for text, as Fluentd's
 * Ruby sends it; NaN and the infinities become null, an ext value the text of its bytes in base64.
 * @returns where the value ends
 * @throws {MsgpackError} for keys that are no text and no scalar
 */
export function writeJson(bytes: Uint8Array, at: number, writer: ByteWriter): number {
  const token = new Token();
  if (!readToken(bytes, at, bytes.length, token)) throw new MsgpackError("a value ends before its end");
  const { start, valueCount } = token;
  if (token.kind === "array") {
    writer.byte(openBracket);
    let next = start;
    for (let i = 0; i < valueCount; i++) {
      if (i > 0) writer.byte(comma);
      next = writeJson(bytes, next, writer);
    }
    writer.byte(closeBracket);
    return next;
  }
  if (token.kind === "map") return writeMap(bytes, start, valueCount / 2, writer);
  writeScalar(bytes, token, writer);
  return start + token.sizeBytes;
}

function writeMap(bytes: Uint8Array, start: number, pairs: number, writer: ByteWriter): number {
  const key = new Token();
  let next = start;
  writer.byte(openBrace);
  for (let i = 0; i < pairs; i++) {
    if (i > 0) writer.byte(comma);
    if (!readToken(bytes, next, bytes.length, key)) throw new MsgpackError("a value ends before its end");
    if (key.kind === "str" || key.kind === "bin") writeScalar(bytes, key, writer);
    else {
      if (key.kind === "array" || key.kind === "map" || key.kind === "ext") {
        throw new MsgpackError(`a key is no text but of type ${key.kind}`);
      }
      writer.byte(quote);
      writeScalar(bytes, key, writer);
      writer.byte(quote);
    }
    writer.byte(colon);
    next = writeJson(bytes, key.start + key.sizeBytes, writer);
  }
  writer.byte(closeBrace);
  return next;
}

function writeScalar(bytes: Uint8Array, token: Token, writer: ByteWriter): void {
  const { kind, start, sizeBytes } = token;
  switch (kind) {
    case "str":
    case "bin":
      return writer.jsonString(bytes, start, start + sizeBytes);
    case "int":
      return writer.text(String(integerOf(bytes, token)));
    case "float":
      return writer.text(JSON.stringify(floatOf(bytes, token)));
    case "ext":
      return writer.text(`"${bytes.subarray(start, start + sizeBytes).toBase64()}"`);
    default:
      return writer.text(kind === "nil" ? "null" : kind);
  }
}

const quote = 34;
const comma = 44;
const colon = 58;
const openBracket = 91;
const closeBracket = 93;
const openBrace = 123;
const closeBrace = 125;
