import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { decodeName, encodeName, formatName, matchesNamePattern, parseName, wordOf } from "./name.ts";

Deno.test("parseName() keeps the order and reads the escapes of RFC 4514", () => {
  deepStrictEqual(parseName("c=GB, ST=London,O=Telent\\, Ltd.,OU=a\\2Bb+UID= x ,CN=r\\C3\\B6uter\\ "), [
    [{ type: "C", value: "GB" }],
    [{ type: "ST", value: "London" }],
    [{ type: "O", value: "Telent, Ltd." }],
    [{ type: "OU", value: "a+b" }, { type: "UID", value: "x" }],
    [{ type: "CN", value: "röuter " }],
  ]);
});

Deno.test("parseName() says what is wrong", () => {
  const wrong: Readonly<Record<string, RegExp>> = {
    "": /no "="/,
    "CN": /no "="/,
    "CN=a,": /no "="/,
    "CN=": /empty/,
    "C=GBR": /two letters/,
    "XX=1": /no word of a name/,
    'CN=a"b': /escaped/,
    "CN=a\\x": /no escape/,
    "CN=#0401": /hexadecimal/,
    ["CN=" + "a".repeat(65)]: /longer than 64/,
    "CN=a\\00b": /NUL/,
    "serialNumber=ä": /letters, digits/,
  };
  for (const [text, pattern] of Object.entries(wrong)) throws(() => parseName(text), pattern, text);
});

Deno.test("formatName() is read back as the same name, through DER too", () => {
  for (const text of ["C=GB,O=a\\,b\\+c,CN=x", "CN=\\ lead and trail\\ ", "CN=\\#1", "DC=lab,1.2.3.4=odd,CN=日本"]) {
    const name = parseName(text);
    deepStrictEqual(parseName(formatName(name)), name, text);
    deepStrictEqual(decodeName(encodeName(name)), name, text);
  }
  strictEqual(formatName(parseName("CN=a\\0Ab")), "CN=a\\0ab", "a line feed must not break a line of the log");
});

Deno.test("matchesNamePattern() compares word by word, with * inside values alone", () => {
  const pattern = parseName("O=Telent,OU=devices,CN=*.lab");
  strictEqual(matchesNamePattern(pattern, parseName("O=Telent,OU=devices,CN=a.lab")), true);
  for (
    const text of [
      "O=Telent,OU=devices,CN=lab",
      "O=Telent,OU=admins,CN=a.lab",
      "OU=devices,O=Telent,CN=a.lab",
      "O=Telent,OU=devices,CN=a.lab,CN=b.lab",
      "O=Telent,CN=a.lab",
    ]
  ) strictEqual(matchesNamePattern(pattern, parseName(text)), false, text);
  strictEqual(matchesNamePattern(parseName("CN=a*b*c"), parseName("CN=abc")), true);
  strictEqual(matchesNamePattern(parseName("CN=ab*bc"), parseName("CN=abc")), false);
  strictEqual(wordOf(parseName("CN=a,OU=x,CN=b"), "CN"), "b");
});
