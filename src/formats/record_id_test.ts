import { deepStrictEqual, notStrictEqual, strictEqual } from "node:assert/strict";
import { batchOfLines, type Origin, partOfBatch, type Places } from "../pipeline/batch.ts";
import { DocumentEncoder } from "./json_document.ts";
import { ByteWriter } from "./byte_writer.ts";
import { RecordIds } from "./record_id.ts";

const origin: Origin = { source: "a", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 1_000 };
const at = (from: number, thing = "8:1:0"): Places => ({ thing, numberOf: (index) => from + index });

Deno.test("RecordIds.idOf() is the same for a record however it is read again, and different for every other", () => {
  const ids = new RecordIds();
  const whole = { ...batchOfLines(["x", "x", "y"], origin), places: at(100) };
  const later = { ...batchOfLines(["x", "y"], { ...origin, readAtMs: 2_000 }), places: at(101) };
  const all = [0, 1, 2].map((i) => ids.idOf(whole, i));
  deepStrictEqual([0, 1].map((i) => ids.idOf(later, i)), all.slice(1));
  strictEqual(new Set(all).size, 3);
  const part = partOfBatch(whole, [2, 0]);
  deepStrictEqual([0, 1].map((i) => ids.idOf(part, i)), [all[2], all[0]]);
  notStrictEqual(ids.idOf({ ...whole, places: at(100, "8:1:1") }, 0), all[0]);
  notStrictEqual(ids.idOf({ ...whole, origin: { ...origin, host: "other" } }, 0), all[0]);
  for (const id of all) strictEqual(/^[a-z0-9.-]{1,60}$/.test(id), true, id);
});

Deno.test("RecordIds.idOf() of records without a place holds for what is sent again, and tells others apart", () => {
  const ids = new RecordIds();
  const batch = batchOfLines(["x", "x"], origin, { spool: 7 });
  const all = [0, 1].map((i) => ids.idOf(batch, i));
  strictEqual(new Set(all).size, 2);
  strictEqual(ids.idOf(partOfBatch(batch, [1]), 0), all[1]);
  notStrictEqual(ids.idOf(batchOfLines(["x"], { ...origin, readAtMs: 2 }, { spool: 7 }), 0), all[0]);
});

Deno.test("DocumentEncoder writes the fields of plain records and of syslog, and what is metadata", () => {
  const names = { time: "t", message: "m", source: "s", host: "h", program: "p", procid: "pid", severity: "sev" };
  const documents = new DocumentEncoder(names, { 'a"b': "c\\d" });
  const out = new ByteWriter();
  const document = (line: string, of: Origin): unknown => {
    out.clear();
    documents.write(batchOfLines([line], of), 0, out);
    return JSON.parse(new TextDecoder().decode(out.written));
  };
  deepStrictEqual(document(`say "hi"`, origin), {
    t: "1970-01-01T00:00:01.000000000Z",
    s: "a",
    h: "h",
    p: "p",
    sev: "notice",
    'a"b': "c\\d",
    m: `say "hi"`,
  });
  const own = `<11>2026-11-20T19:32:47.948037+01:00 web1 kubelet[812]: message`;
  deepStrictEqual(document(own, { ...origin, form: "syslog" }), {
    t: "2026-11-20T18:32:47.948037000Z",
    s: "a",
    h: "web1",
    p: "kubelet",
    pid: "812",
    sev: "err",
    'a"b': "c\\d",
    m: "message",
  });
});
