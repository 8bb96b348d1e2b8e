/** Versions as Semantic Versioning 2.0.0 orders them (section 11). */

/** Less than, equal to or greater than zero, as `a` is older than, the same as or newer than `b`. @throws when one is none */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parse(a), parse(b)];
  for (let i = 0; i < 3; i++) if (left.numbers[i] !== right.numbers[i]) return left.numbers[i]! - right.numbers[i]!;
  if (left.pre.length === 0 || right.pre.length === 0) return right.pre.length - left.pre.length;
  for (let i = 0; i < Math.max(left.pre.length, right.pre.length); i++) {
    const order = compareParts(left.pre[i], right.pre[i]);
    if (order !== 0) return order;
  }
  return 0;
}

interface Version {
  readonly numbers: readonly number[];
  /** Of a pre-release; none for a release, which is newer than all of its pre-releases. */
  readonly pre: readonly string[];
}

function parse(text: string): Version {
  const found = /^v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/.exec(text);
  if (found === null) throw new Error(`Cannot compare version "${text}": it is not like 1.2.3`);
  return { numbers: found.slice(1, 4).map(Number), pre: found[4]?.split(".") ?? [] };
}

function compareParts(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1;
  const [x, y] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (x && y) return Number(a) - Number(b);
  if (x !== y) return x ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}
