/** The challenge password: from a file, an environment variable or stdin; never from an argument, which `ps` shows. */
import { failure, UsageError } from "../pipeline/errors.ts";

/** Where the secret is; at most one of them. */
export interface SecretSource {
  /** A file, or `-` for stdin. */
  readonly file?: string;
  /** Name of an environment variable. */
  readonly environment?: string;
}

/**
 * A function that reads the secret when it is needed: a file may be replaced while we run, stdin is read once.
 * @throws {UsageError} when two places are named
 */
export function openSecret(source: SecretSource): () => string | undefined {
  const { file, environment } = source;
  if (file !== undefined && environment !== undefined) {
    throw new UsageError("the challenge is named twice\nTry: --challenge-file or --challenge-env, not both");
  }
  if (environment !== undefined) return () => readEnvironment(environment);
  if (file === undefined) return () => undefined;
  if (file !== "-") return () => readSecretFile(file);
  let read: string | undefined;
  return () => read ??= firstLine(new TextDecoder().decode(readAllStdin()), "stdin");
}

/**
 * The first line of a file. @throws when others may read it: then everybody on the machine can be this machine
 */
export function readSecretFile(path: string): string {
  let text: string;
  let mode: number | null;
  try {
    mode = Deno.statSync(path).mode;
    text = Deno.readTextFileSync(path);
  } catch (error) {
    throw failure("read", `challenge file "${path}"`, error, "name a file with --challenge-file");
  }
  if (mode !== null && (mode & 0o004) !== 0) {
    throw new Error(`Cannot use challenge file "${path}": everybody may read it\nTry: chmod 600 ${path}`);
  }
  return firstLine(text, `"${path}"`);
}

function readEnvironment(name: string): string {
  const value = Deno.env.get(name);
  if (value === undefined) throw new Error(`Cannot read challenge from the environment: ${name} is not set`);
  return firstLine(value, name);
}

function firstLine(text: string, where: string): string {
  const line = text.split(/\r?\n/)[0]!;
  if (line === "") throw new Error(`Cannot use the challenge of ${where}: its first line is empty`);
  return line;
}

function readAllStdin(): Uint8Array {
  const buffer = new Uint8Array(4096);
  let length = 0;
  for (;;) {
    const count = Deno.stdin.readSync(buffer.subarray(length));
    if (count === null || count === 0 || length === buffer.length) return buffer.subarray(0, length);
    length += count;
    if (buffer.subarray(0, length).includes(0x0a)) return buffer.subarray(0, length);
  }
}
