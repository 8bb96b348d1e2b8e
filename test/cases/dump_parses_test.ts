/** What a dump replaces leaves JSON and YAML whole: every document of the corpus of planted secrets still parses. */
import assert from "node:assert/strict";
import { parseAllDocuments } from "yaml";
import { openRedactor } from "../../src/dump/redaction/redactor.ts";
import { plantSecrets } from "../peers/planted_secrets.ts";

Deno.test("redact() leaves each JSON and YAML document of the corpus a document", async () => {
  const { files, identities } = plantSecrets(3);
  const redactor = openRedactor({ mode: "full", identities });
  const documents = files.filter(({ kind }) => kind === "json" || kind === "yaml");
  assert.ok(documents.length > 8);
  for (const { path, kind, text } of documents) {
    const safe = await redacted(redactor, path, kind, text);
    if (kind === "json") JSON.parse(safe);
    else for (const document of parseAllDocuments(safe)) assert.deepEqual(document.errors, [], `${path}\n${safe}`);
  }
});

Deno.test("redact() leaves a Secret in the flow style of YAML, and a value over several lines, a document", async () => {
  const redactor = openRedactor({ mode: "full" });
  const text = `password:
  hunter2hunter2
quoted_secret: "hunter2
  hunter2hunter2
  end"
plain_token: hunter2
  hunter2hunter2
last: 1
---
{apiVersion: v1, kind: Secret, stringData: {a: hunter2hunter2, b: "other one"}}
`;
  const safe = await redacted(redactor, "a.yaml", "yaml", text);
  assert.doesNotMatch(safe, /hunter2|other one/);
  const [block, flow] = parseAllDocuments(safe).map((document) => {
    assert.deepEqual(document.errors, [], safe);
    return document.toJS() as Record<string, unknown>;
  });
  assert.deepEqual(flow, { apiVersion: "v1", kind: "Secret", stringData: { a: ["redacted"] } });
  assert.equal(block!["last"], 1);
  assert.deepEqual(Object.keys(block!), ["password", "quoted_secret", "plain_token", "last"]);
});

async function redacted(
  redactor: ReturnType<typeof openRedactor>,
  path: string,
  kind: "json" | "yaml" | "log" | "text" | "binary",
  text: string,
): Promise<string> {
  const source = (async function* (): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(new TextEncoder().encode(text));
  })();
  const decoder = new TextDecoder();
  let safe = "";
  for await (const bytes of redactor.redact(source, { path, kind }).content) {
    safe += decoder.decode(bytes, { stream: true });
  }
  return safe + decoder.decode();
}
