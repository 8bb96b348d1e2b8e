import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { type ContainerFormat, parseContainerLine } from "./container_line.ts";

const parse = (format: ContainerFormat, text: string): readonly unknown[] | undefined => {
  const bytes = new TextEncoder().encode(`<${text}>`);
  const line = parseContainerLine(format, bytes, 1, bytes.length - 1);
  return line && [new TextDecoder().decode(line.message), line.stream, line.partial];
};

Deno.test("parseContainerLine() takes CRI lines apart, whole and partial, empty ones and tags with more", () => {
  const time = "2024-05-01T10:00:00.123456789Z";
  deepStrictEqual(parse("cri", `${time} stdout F a b  c`), ["a b  c", "stdout", false]);
  deepStrictEqual(parse("cri", `2024-05-01T10:00:00+02:00 stderr P half`), ["half", "stderr", true]);
  deepStrictEqual(parse("cri", `${time} stdout F `), ["", "stdout", false]);
  deepStrictEqual(parse("cri", `${time} stdout F`), ["", "stdout", false]);
  deepStrictEqual(parse("cri", `${time} stdout P:x half`), ["half", "stdout", true]);
});

Deno.test("parseContainerLine() leaves alone what no runtime wrote", () => {
  for (
    const text of ["", "plain", "a stdout F x", "2024-05-01T10:00:00Z stdlog F x", "2024-05-01T10:00:00Z stdout X x"]
  ) {
    strictEqual(parse("cri", text), undefined, text);
  }
  for (const text of ["", "plain", "{", '{"log":1}', '{"msg":"x"}', '["log"]']) {
    strictEqual(parse("docker", text), undefined, text);
  }
});

Deno.test("parseContainerLine() takes docker's JSON apart: the message with its escapes undone", () => {
  const wrapped = '{"log":"{\\"message\\":\\"x\\"}\\n","stream":"stdout","time":"2024-05-01T10:00:00Z"}';
  deepStrictEqual(parse("docker", wrapped), ['{"message":"x"}', "stdout", false]);
  deepStrictEqual(parse("docker", '{"log":"half ü","stream":"stderr"}'), ["half ü", "stderr", true]);
  deepStrictEqual(parse("docker", '{"log":"\\n"}'), ["", "", false]);
});
