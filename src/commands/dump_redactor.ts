/** The redactor of a dump, from words and configuration; made before anything is gathered, so that mistakes cost nothing. */
import { readIdentities } from "../dump/redaction/identities.ts";
import { openRedactor } from "../dump/redaction/redactor.ts";
import type { Machine } from "../dump/machine.ts";
import type { Redactor } from "../dump/redaction.ts";
import { readSecretFile } from "../dump/secret_input.ts";
import { ConfigError, UsageError } from "../pipeline/errors.ts";
import { createHash } from "node:crypto";
import type { FoundConfig } from "./dump_config.ts";
import type { DumpWords } from "./dump_words.ts";
import { oneOf } from "./options.ts";

/** The redactor. @throws {UsageError} for a pattern or key that cannot be used */
export function openDumpRedactor(
  words: DumpWords,
  { config, literals }: FoundConfig,
  machine: Machine,
  warn: (text: string) => void,
): Redactor {
  const wanted = config?.dump;
  const keyFile = words.pseudonymKey ?? wanted?.pseudonymKeyFile;
  const identities = readIdentities(machine, machine.live ? (name) => Deno.env.get(name) : undefined);
  for (const problem of identities.problems) warn(`names may be left in the dump: ${problem}`);
  const patterns = [...wanted?.patterns ?? [], ...words.pattern ?? []];
  for (const [option, texts] of [["--pattern", words.pattern], ["--word", words.word]] as const) {
    if (texts?.some((text) => text.trim() === "") === true) throw new UsageError(`${option}: it is empty`);
  }
  try {
    return openRedactor({
      mode: words.redact ? words.secretsOnly === true ? "secretsOnly" : "full" : "none",
      identities,
      literals,
      customPatterns: patterns.map((regex, i) => ({ name: `custom-${i + 1}`, regex })),
      extraWords: [...wanted?.words ?? [], ...words.word ?? []],
      ipMode: oneOf("--ip-mode", words.ipMode, ["prefix", "token"]),
      keepsMapping: words.map !== undefined,
      ...(keyFile === undefined ? {} : { pseudonymKey: readPseudonymKey(keyFile) }),
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new UsageError(`a pattern (--pattern, dump.patterns): ${error.message}`, { cause: error });
  }
}

/** Asks, where the words do not say it already. @throws {UsageError} when the answer is not yes */
export async function confirmUnredacted(words: DumpWords): Promise<void> {
  if (words.redact || words.yesIKnowItIsUnredacted === true) return;
  if (!Deno.stdin.isTerminal()) {
    throw new UsageError("--no-redact: nobody can be asked\nTry: --yes-i-know-it-is-unredacted");
  }
  Deno.stderr.writeSync(
    new TextEncoder().encode("The dump will hold passwords, keys and names as they are. Type UNREDACTED to go on: "),
  );
  const answer = new Uint8Array(64);
  const count = await Deno.stdin.read(answer) ?? 0;
  if (new TextDecoder().decode(answer.subarray(0, count)).trim() !== "UNREDACTED") {
    throw new UsageError("--no-redact: it was not confirmed, nothing was gathered");
  }
}

/** Any 32 bytes or more; what is longer is hashed, so that a line of text will do. */
function readPseudonymKey(path: string): Uint8Array {
  const bytes = readSecretFile(path);
  if (bytes.length < 32) {
    throw new UsageError(
      `--pseudonym-key: "${path}" has ${bytes.length} bytes, 32 are needed\nTry: head -c 32 /dev/urandom`,
    );
  }
  return bytes.length === 32 ? bytes : createHash("sha256").update(bytes).digest();
}
