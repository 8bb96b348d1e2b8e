/** Comparisons on fields of JSON records. Pure. */
import { Pattern } from "./pattern/pattern.ts";
import type { FieldSpec } from "./spec.ts";

type Scalar = string | number | boolean | null;

/**
 * Compiles what is asked of the field at a dotted path. On its way through an array, the path looks at every element (or
 * at one, by its number), and one that fits is enough; `not` and `exists: false` want none that does.
 * @throws when a pattern is wrong or nothing is asked
 */
export function compileField(path: string, spec: FieldSpec): (object: Readonly<Record<string, unknown>>) => boolean {
  const keys = splitPath(path);
  const tests = testsOf(spec);
  if (tests.length === 0) {
    throw new Error("nothing is asked; write a value, a list, or equals, not, regex, exists, atLeast, atMost");
  }
  return (object) => {
    const values: unknown[] = [];
    collect(object, keys, 0, values);
    return tests.every((test) => test(values));
  };
}

/** The keys of a dotted path; `\.` is a dot within a key. */
export function splitPath(path: string): readonly string[] {
  return path.split(/(?<!\\)\./).map((key) => key.replaceAll("\\.", "."));
}

type Test = (values: readonly unknown[]) => boolean;

function testsOf(spec: FieldSpec): Test[] {
  if (spec === null || typeof spec !== "object" || isList(spec)) return [anyOf(spec)];
  const { equals, not, regex, exists, atLeast, atMost } = spec;
  const tests: Test[] = [];
  if (equals !== undefined) tests.push(anyOf(equals));
  if (not !== undefined) {
    const unwanted = anyOf(not);
    tests.push((values) => !unwanted(values));
  }
  if (regex !== undefined) tests.push(matching(new Pattern(regex)));
  if (exists !== undefined) tests.push((values) => values.length > 0 === exists);
  if (atLeast !== undefined) {
    tests.push((values) => values.some((value) => typeof value === "number" && value >= atLeast));
  }
  if (atMost !== undefined) {
    tests.push((values) => values.some((value) => typeof value === "number" && value <= atMost));
  }
  return tests;
}

function anyOf(wanted: Scalar | readonly Scalar[]): Test {
  const set: ReadonlySet<unknown> = new Set(isList(wanted) ? wanted : [wanted]);
  return (values) => values.some((value) => set.has(value));
}

function matching(pattern: Pattern): Test {
  return (values) =>
    values.some((value) => {
      if (value === null || typeof value === "object") return false;
      const bytes = encoder.encode(String(value));
      return pattern.test(bytes, 0, bytes.length);
    });
}

function collect(value: unknown, keys: readonly string[], depth: number, into: unknown[]): void {
  if (Array.isArray(value)) {
    const index = depth < keys.length && /^\d{1,9}$/.test(keys[depth]!) ? Number(keys[depth]) : undefined;
    if (index !== undefined) {
      if (index < value.length) collect(value[index], keys, depth + 1, into);
    } else for (const element of value) collect(element, keys, depth, into);
    return;
  }
  if (depth === keys.length) {
    into.push(value);
    return;
  }
  if (value === null || typeof value !== "object" || !Object.hasOwn(value, keys[depth]!)) return;
  collect((value as Record<string, unknown>)[keys[depth]!], keys, depth + 1, into);
}

function isList(value: unknown): value is readonly Scalar[] {
  return Array.isArray(value);
}

const encoder = new TextEncoder();
