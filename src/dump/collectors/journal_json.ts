/**
 * The journal's JSON with texts as texts: journalctl writes a field that is not UTF-8, or holds a control character, as an
 * array of numbers, in which nobody reads a message, and no secret or name is found.
 * @see journalctl(1), `--output=json`
 */
import { joinBytes } from "../../formats/bytes.ts";

/** The lines, with arrays of bytes as strings; a line of more than 4 MiB passes as it is. */
export async function* readableFields(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const chunk of content) {
    const last = chunk.lastIndexOf(10) + 1;
    if (last === 0 && heldBytes + chunk.length <= maxHeldBytes) {
      held.push(chunk.slice());
      heldBytes += chunk.length;
      continue;
    }
    const stop = last === 0 ? chunk.length : last;
    yield readable(joinBytes([...held, chunk.subarray(0, stop)]));
    held = stop < chunk.length ? [chunk.slice(stop)] : [];
    heldBytes = chunk.length - stop;
  }
  if (heldBytes > 0) yield readable(joinBytes(held));
}

function readable(bytes: Uint8Array): Uint8Array {
  if (!hasArray(bytes)) return bytes;
  const text = decoder.decode(bytes);
  return encoder.encode(text.replaceAll(/:\s*\[\s*(\d{1,3}(?:\s*,\s*\d{1,3})*)\s*\]/g, (whole, list: string) => {
    const numbers = list.split(",").map(Number);
    if (numbers.some((one) => one > 255)) return whole;
    return `:${JSON.stringify(decoder.decode(Uint8Array.from(numbers)))}`;
  }));
}

/** Whether a number stands behind a bracket anywhere. */
function hasArray(bytes: Uint8Array): boolean {
  for (let at = bytes.indexOf(91); at >= 0; at = bytes.indexOf(91, at + 1)) {
    let next = at + 1;
    while (bytes[next] === 32) next++;
    if (bytes[next]! >= 48 && bytes[next]! <= 57) return true;
  }
  return false;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const maxHeldBytes = 4 * 1024 * 1024;
