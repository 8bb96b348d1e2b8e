import { strictEqual } from "node:assert";
import { readableFields } from "./journal_json.ts";

const source =
  '{"MESSAGE":[112,97,115,115,61,233,104],"PRIORITY":"6","MANY":["a","b"],"WIDE":[999]}\n{"MESSAGE":"a [1] b"}\n';

Deno.test("readableFields() makes texts of arrays of bytes, and leaves the rest, in any chunks", async () => {
  const expected = source.replace("[112,97,115,115,61,233,104]", '"pass=\ufffdh"');
  for (let size = 1; size <= source.length; size++) {
    const decoder = new TextDecoder();
    let text = "";
    for await (const bytes of readableFields(chunked(size))) text += decoder.decode(bytes, { stream: true });
    strictEqual(text, expected, `${size}`);
  }
});

async function* chunked(size: number): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(source);
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}
