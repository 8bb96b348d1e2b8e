/** What a `--from`, `--to` or `--listen` looks like: a type, a colon, an address; and how a mistake in it is told. */
import { errorText, UsageError } from "../pipeline/errors.ts";
import { parseHostPort } from "./address.ts";
import { nearest } from "./nearest.ts";

/** `kind:rest`. @throws {UsageError} when `kind` is none of `known` */
export function splitSpec<Kind extends string>(
  option: string,
  spec: string,
  known: readonly Kind[],
): { kind: Kind; rest: string } {
  const colon = spec.indexOf(":");
  const word = colon < 0 ? spec : spec.slice(0, colon);
  const kind = known.find((one) => one === word);
  if (colon >= 0 && kind !== undefined) return { kind, rest: spec.slice(colon + 1) };
  const near = kind ?? nearest(word, known);
  const meant = colon < 0 && /[/.*]/.test(spec) ? `file:${spec}` : near === undefined ? undefined : `${near}:`;
  throw new UsageError(hidePassword(
    `${option} "${spec}": it does not begin with a known type; allowed: ${known.map((name) => `${name}:`).join(", ")}` +
      (meant === undefined ? "" : `\nTry: ${meant}`),
  ));
}

/** What `parse` gives; its errors name the option. */
export function said<T>(option: string, spec: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(hidePassword(`${option} "${spec}": ${errorText(error)}`));
  }
}

/** `//host:port` of somebody to connect to. @throws when it is none */
export function parseTarget(rest: string, defaultPort?: number): { host: string; port: number } {
  const target = parseHostPort(withoutSlashes(rest), defaultPort);
  if (target.port === 0) throw new Error(`"0" is not a port; allowed: 1 to 65535`);
  return target;
}

/** What stands behind `//`. @throws when that is not there */
export function withoutSlashes(rest: string): string {
  if (!rest.startsWith("//")) throw new Error(`the host is missing; write it behind "//"`);
  return rest.slice(2).replace(/\/$/, "");
}

/** For types that take no address. @throws when there is one */
export function refuseRest(rest: string): void {
  if (rest !== "") throw new Error(`nothing may follow the ":", and "${rest}" does`);
}

/** `user:password@` in a URL is not repeated. */
function hidePassword(message: string): string {
  return message.replaceAll(/\/\/[^/@\s"]*@/g, "//…@");
}
