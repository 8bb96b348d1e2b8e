import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { decodeAuditFields, endsEvent, parseAuditHead } from "./audit.ts";

function head(text: string): ReturnType<typeof parseAuditHead> {
  const bytes = new TextEncoder().encode(text);
  return parseAuditHead(bytes, 0, bytes.length);
}

Deno.test("parseAuditHead() reads node, type, time and serial, and where the fields begin", () => {
  const text = "type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e";
  deepStrictEqual(head(text), {
    node: "",
    type: "SYSCALL",
    stamp: "1364481363.243:24287",
    timeMs: 1_364_481_363_243,
    fieldsStart: text.indexOf("arch"),
  });
  strictEqual(head("node=router1 " + text)?.node, "router1");
  strictEqual(head("type=UNKNOWN[1334] msg=audit(1.000:2): prog-id=3")?.type, "UNKNOWN[1334]");
  strictEqual(head("type=EOE msg=audit(1.000:2):")?.type, "EOE");
});

Deno.test("parseAuditHead() gives undefined for what is no record", () => {
  for (
    const text of ["", "type=X", "x" + "type=EOE msg=audit(1.000:2): ", "type=EOE msg=audit(1.00:2): ", "node= type=A"]
  ) {
    strictEqual(head(text), undefined, text);
  }
  strictEqual(head(`type=EOE msg=audit(${"9".repeat(500)}.000:2): `), undefined);
});

Deno.test("endsEvent() knows what comes last and what stands alone", () => {
  for (const type of ["EOE", "PROCTITLE", "USER_LOGIN", "CRED_ACQ", "DAEMON_START", "SERVICE_START", "VIRT_CONTROL"]) {
    strictEqual(endsEvent(type), true, type);
  }
  for (
    const type of ["SYSCALL", "PATH", "CWD", "EXECVE", "LOGIN", "AVC", "CONFIG_CHANGE", "UNKNOWN[1334]", "ANOM_ABEND"]
  ) {
    strictEqual(endsEvent(type), false, type);
  }
  strictEqual(endsEvent("UNKNOWN[1140]"), true);
});

Deno.test("decodeAuditFields() reads hexadecimal text and leaves numbers and quoted text alone", () => {
  strictEqual(decodeAuditFields("PROCTITLE", "proctitle=6361740000612062"), 'proctitle="cat  a b"');
  strictEqual(decodeAuditFields("PROCTITLE", "proctitle=636174002F6574632F00"), 'proctitle="cat /etc/"');
  strictEqual(
    decodeAuditFields("PATH", "item=10 name=2F746D702F6120C3A4 inode=12"),
    'item=10 name="/tmp/a ä" inode=12',
  );
  strictEqual(decodeAuditFields("SYSCALL", "a0=7FFD a1=10 pid=1234 comm=61"), 'a0=7FFD a1=10 pid=1234 comm="a"');
  strictEqual(decodeAuditFields("EXECVE", 'argc=2 a0="ls" a1[0]=6120'), 'argc=2 a0="ls" a1[0]="a "');
  strictEqual(decodeAuditFields("SYSCALL", "comm=(null) exe=ABC name=gg"), "comm=(null) exe=ABC name=gg");
  strictEqual(
    decodeAuditFields("USER_CMD", "msg='cwd=2F61 cmd=6C73202D6C res=success'"),
    'msg=\'cwd="/a" cmd="ls -l" res=success\'',
  );
  strictEqual(decodeAuditFields("SYSCALL", "key=6101620A\x1dARCH=x86_64"), 'key="a b\\x0a" ARCH=x86_64');
});

Deno.test("decodeAuditFields() lets nothing out of its quotes", () => {
  strictEqual(decodeAuditFields("PATH", "name=61220A5C"), 'name="a\\"\\x0a\\\\"');
  strictEqual(decodeAuditFields("PATH", "name=61FF0A"), 'name="a\\xff\\x0a"');
  strictEqual(decodeAuditFields("PATH", "name=5CFF"), 'name="\\\\\\xff"');
  strictEqual(decodeAuditFields("PATH", "name=C3"), 'name="\\xc3"');
});
