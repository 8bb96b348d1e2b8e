/** Whom a bundle is encrypted to: age recipients from words and files, checked before anything is gathered. */
import { Encrypter } from "age-encryption";
import { errorText, failure, UsageError } from "../pipeline/errors.ts";

/**
 * The recipients, each once, in their order.
 * @throws {UsageError} for one that is no age recipient, and for a mixture: it would be only as strong as its weakest
 */
export function parseRecipients(words: readonly string[]): readonly string[] {
  const recipients = [...new Set(words.map((word) => word.trim()))];
  if (recipients.length > maxRecipients) {
    throw new UsageError(`${recipients.length} recipients are more than the ${maxRecipients} that are allowed`);
  }
  for (const recipient of recipients) checkRecipient(recipient);
  const quantumSafe = recipients.filter(isQuantumSafe);
  if (quantumSafe.length > 0 && quantumSafe.length < recipients.length) {
    throw new UsageError(
      `recipients "${shorten(quantumSafe[0]!)}" and "${shorten(recipients.find((one) => !isQuantumSafe(one))!)}"` +
        " do not go together: the file would be open to whoever breaks the weaker one" +
        "\nTry: only age1pq1… recipients, or none of them",
    );
  }
  return recipients;
}

/** Recipients of a file: one per line, empty lines and `#` comments are passed over. @throws when it cannot be read or has none */
export function readRecipientsFile(path: string): readonly string[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    const { message } = failure("read", `recipients "${path}"`, error, "a file with one age1… recipient per line");
    throw new UsageError(message, { cause: error });
  }
  const words = text.split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  if (words.length === 0) throw new UsageError(`recipients "${path}": it names nobody`);
  try {
    return parseRecipients(words);
  } catch (error) {
    throw new UsageError(`${path}: ${errorText(error)}`, { cause: error });
  }
}

function checkRecipient(recipient: string): void {
  if (recipient.startsWith("AGE-SECRET-KEY-")) {
    // Never shown: somebody gave away the wrong half.
    throw new UsageError(
      "a recipient is a secret key, which must never leave its owner\nTry: the age1… line beside it; make a new key",
    );
  }
  try {
    new Encrypter().addRecipient(recipient);
  } catch {
    const what = recipient.startsWith("ssh-") ? "SSH keys are not supported" : "it is no age recipient, or mistyped";
    throw new UsageError(`recipient "${shorten(recipient)}": ${what}\nTry: age1…, as age-keygen prints it`);
  }
}

function isQuantumSafe(recipient: string): boolean {
  return /^age1(pq|tagpq)1/.test(recipient);
}

/** Recipients of the post-quantum kind have 1,959 characters. */
function shorten(recipient: string): string {
  return recipient.length > 40 ? `${recipient.slice(0, 24)}…${recipient.slice(-8)}` : recipient;
}

const maxRecipients = 64;
