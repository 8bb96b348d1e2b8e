import { strictEqual } from "node:assert/strict";
import { batchOfLines, type Origin } from "../pipeline/batch.ts";
import { type PayloadTemplate, RsyslogTemplate } from "./rsyslog_template.ts";

const origin: Origin = {
  source: "s",
  host: "router1",
  program: "messages",
  priority: 13,
  form: "plain",
  readAtMs: Date.UTC(2026, 10, 20, 20, 30, 0, 123),
};
const names = { project: "foo", shoot: "bar", uid: "6f9d" };

function written(template: PayloadTemplate, record: string, form: Origin["form"] = "syslog"): string {
  const layout = new RsyslogTemplate(template, names);
  const batch = batchOfLines([record], { ...origin, form });
  layout.find(batch, 0);
  const text = (bytes: Uint8Array): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  return text(layout.bytes) + text(batch.bytes.subarray(layout.start, layout.end)) + text(layout.tail);
}

/** Records, and what rsyslog 8.2302 made of them (measured, time zone UTC). */
const cases: readonly { record: string; rfc5424: string; rfc3164: string; gardener: string }[] = [
  {
    record: "<13>Nov  5 19:32:47 host1 kubelet[812]: message",
    rfc5424: "<13>1 2026-11-05T19:32:47+00:00 host1 kubelet 812 - -  message",
    rfc3164: "<13>Nov  5 19:32:47 host1 kubelet[812]: message",
    gardener: " foo bar 6f9d host1 13 kubelet[812]: 2026-11-05T19:32:47+00:00 812 -  message ",
  },
  {
    record: "<13>Nov  5 19:32:47 host1 kubelet[812]:message",
    rfc5424: "<13>1 2026-11-05T19:32:47+00:00 host1 kubelet 812 - - message",
    rfc3164: "<13>Nov  5 19:32:47 host1 kubelet[812]: message",
    gardener: " foo bar 6f9d host1 13 kubelet[812]: 2026-11-05T19:32:47+00:00 812 - message ",
  },
  {
    record: "<134>2026-11-20T19:32:47.5+02:00 vm aprogramwithaverylongname_of_more_than_32[12345]: msg x",
    rfc5424: "<134>1 2026-11-20T19:32:47.5+02:00 vm aprogramwithaverylongname_of_more_than_32 12345 - -  msg x",
    rfc3164: "<134>Nov 20 19:32:47 vm aprogramwithaverylongname_of_mor msg x",
    gardener: " foo bar 6f9d vm 134 aprogramwithaverylongname_of_more_than_32[12345]: " +
      "2026-11-20T19:32:47.5+02:00 12345 -  msg x ",
  },
  {
    record: '<165>1 2026-11-20T19:32:47.5Z router9 kubelet 812 ID47 [meta a="b"] 5424 message',
    rfc5424: '<165>1 2026-11-20T19:32:47.5Z router9 kubelet 812 ID47 [meta a="b"] 5424 message',
    rfc3164: "<165>Nov 20 19:32:47 router9 kubelet[812] 5424 message",
    gardener: " foo bar 6f9d router9 165 kubelet[812] 2026-11-20T19:32:47.5Z 812 ID47 5424 message ",
  },
  {
    record: "<165>1 2026-11-20T19:32:47Z router9 kubelet 812 - - \ufeffbom",
    rfc5424: "<165>1 2026-11-20T19:32:47Z router9 kubelet 812 - - \ufeffbom",
    rfc3164: "<165>Nov 20 19:32:47 router9 kubelet[812] \ufeffbom",
    gardener: " foo bar 6f9d router9 165 kubelet[812] 2026-11-20T19:32:47Z 812 - \ufeffbom ",
  },
  {
    record: "<13>Nov  5 19:32:47 host1 app/sub[3]: slash",
    rfc5424: "<13>1 2026-11-05T19:32:47+00:00 host1 app 3 - -  slash",
    rfc3164: "<13>Nov  5 19:32:47 host1 app/sub[3]: slash",
    gardener: " foo bar 6f9d host1 13 app/sub[3]: 2026-11-05T19:32:47+00:00 3 -  slash ",
  },
];

Deno.test("RsyslogTemplate writes records with headers of their own as rsyslog does", () => {
  for (const { record, ...expected } of cases) {
    for (const template of ["rfc5424", "rfc3164", "gardener"] as const) {
      strictEqual(written(template, record), expected[template], `${template} of ${record}`);
    }
  }
});

Deno.test("RsyslogTemplate gives plain records a header out of their origin", () => {
  const time = "2026-11-20T20:30:00.123000+00:00";
  strictEqual(written("rfc5424", "a line", "plain"), `<13>1 ${time} router1 messages - - - a line`);
  strictEqual(written("rfc5424", " a line", "plain"), `<13>1 ${time} router1 messages - - -  a line`);
  strictEqual(written("rfc3164", "a line", "plain"), "<13>Nov 20 20:30:00 router1 messages: a line");
  strictEqual(written("rfc3164", " a line", "plain"), "<13>Nov 20 20:30:00 router1 messages: a line");
  strictEqual(written("gardener", "a line", "plain"), ` foo bar 6f9d router1 13 messages: ${time} - -  a line `);
});

Deno.test("RsyslogTemplate takes host, program and time of the origin where a record has none", () => {
  strictEqual(
    written("gardener", "no header at all"),
    " foo bar 6f9d router1 13 messages: 2026-11-20T20:30:00.123000+00:00 - -  no header at all ",
  );
  strictEqual(
    written("rfc3164", "<14>Nov  5 19:32:47 su: two  spaces "),
    "<14>Nov  5 19:32:47 router1 su: two  spaces ",
  );
});
