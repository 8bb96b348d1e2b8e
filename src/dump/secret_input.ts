/** Secrets that the user gives: from the terminal without echo, from a file that others cannot read, from the environment. */
import { failure, UsageError } from "../pipeline/errors.ts";

/** Where a passphrase comes from; never from an argument, which every process of the machine can read. */
export type SecretInput =
  | { readonly from: "terminal"; readonly prompt: string; readonly twice?: boolean }
  | { readonly from: "file"; readonly path: string }
  | { readonly from: "environment"; readonly name: string };

/** The secret. @throws {UsageError} when there is none to be had that way */
export async function readSecret(input: SecretInput): Promise<string> {
  if (input.from === "environment") {
    const value = Deno.env.get(input.name);
    if (value === undefined || value === "") throw new UsageError(`environment variable "${input.name}": not set`);
    return value;
  }
  if (input.from === "file") {
    const [line] = new TextDecoder().decode(readSecretFile(input.path)).split("\n");
    const secret = line!.replace(/\r$/, "");
    if (secret === "") throw new UsageError(`"${input.path}": its first line is empty`);
    return secret;
  }
  const secret = await askSecret(input.prompt);
  if (input.twice === true && await askSecret("Again: ") !== secret) throw new UsageError("the two are not the same");
  if (secret === "") throw new UsageError("nothing was typed");
  return secret;
}

/** Bytes of a file with a secret, at most 64 KiB. @throws when others may read it too */
export function readSecretFile(path: string): Uint8Array {
  try {
    const { mode, isFile, size } = Deno.statSync(path);
    if (mode !== null && (mode & 0o007) !== 0 && isFile) {
      throw new Error("everybody may read it");
    }
    if (size > maxSecretBytes) throw new Error(`it has more than ${maxSecretBytes} bytes`);
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new UsageError(`there is no file "${path}"`);
    throw failure("use secret file", `"${path}"`, error, `chmod 600 ${path}, as the user who runs this`);
  }
}

function openTerminal(): Deno.FsFile {
  try {
    return Deno.openSync("/dev/tty", { read: true, write: true });
  } catch (error) {
    throw new UsageError("a passphrase is asked for, and there is no terminal\nTry: --passphrase-file FILE", {
      cause: error,
    });
  }
}

async function askSecret(prompt: string): Promise<string> {
  using file = openTerminal();
  file.setRaw(true);
  try {
    file.writeSync(new TextEncoder().encode(prompt)); // after it somebody types, unseen from the first key on
    return await readTyped(file);
  } finally {
    file.setRaw(false);
    file.writeSync(new Uint8Array([0x0d, 0x0a]));
  }
}

/** Keys until Enter; in raw mode the terminal neither echoes nor edits. */
async function readTyped(file: Deno.FsFile): Promise<string> {
  const typed: number[] = [];
  const chunk = new Uint8Array(256);
  for (;;) {
    const count = await file.read(chunk);
    if (count === null) throw new UsageError("the terminal was closed");
    for (const key of chunk.subarray(0, count)) {
      if (key === 0x0d || key === 0x0a) return new TextDecoder().decode(new Uint8Array(typed));
      if (key === 0x03 || key === 0x04) throw new UsageError("stopped by the user"); // Ctrl-C, Ctrl-D
      if (key === 0x7f || key === 0x08) dropCharacter(typed);
      else if (typed.length < maxSecretBytes) typed.push(key);
    }
  }
}

/** Removes the last character, which may be several bytes of UTF-8. */
function dropCharacter(typed: number[]): void {
  while (((typed.pop() ?? 0) & 0xc0) === 0x80) continue;
}

const maxSecretBytes = 64 * 1024;
