/** Names of NATS, and subjects made of a template and of what records say: `logs.{host}.{program}`. Pure. */

/** Puts `values` in place of `{host}` and its like; what a token may not hold becomes `_`. */
export function renderSubject(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => tokenOf(values[name] ?? ""));
}

/** A token of a subject: no dots, blanks, wildcards and control characters; `_` where nothing is left. */
export function tokenOf(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what is to be found
  const plain = text.replace(/[\s.*>\u0000-\u0020\u007f]+/g, "_").slice(0, 128);
  return plain === "" ? "_" : plain;
}

/** A template that fits one of a stream's subjects: its wildcards stand for host, program and source, in that order. */
export function templateForStream(subjects: readonly string[]): string {
  const subject = subjects[0] ?? "logs.>";
  const names = ["{host}", "{program}", "{source}"];
  let used = 0;
  return subject.split(".").map((token) => {
    if (token === "*") return names[used++] ?? "_";
    return token === ">" ? names.slice(used).slice(0, 2).join(".") || "_" : token;
  }).join(".");
}

/** What is wrong with a template, or undefined. */
export function complaintOfTemplate(template: string): string | undefined {
  const unknown = [...template.matchAll(/\{(\w*)\}/g)].map(([, name]) => name!).find((name) => !fields.includes(name));
  if (unknown !== undefined) return `{${unknown}} is not known; allowed: ${fields.map((one) => `{${one}}`).join(", ")}`;
  const tokens = template.replace(/\{\w+\}/g, "x").split(".");
  if (tokens.some((token) => !/^[^\s.*>{}]+$/.test(token))) {
    return "is no subject; allowed: words with dots between them";
  }
  return undefined;
}

/** The name of a stream or consumer. @throws with what is allowed */
export function parseNatsName(name: string): string {
  if (!/^[^\s.*>/\\]{1,128}$/.test(name)) throw new Error(`"${name}" is no name for NATS; no blanks, dots, * > / \\`);
  return name;
}

const fields = ["host", "program", "source"];
