/** What a bundle is opened with: age identities, RSA keys in PEM, a passphrase, or the three values of the k3s form. */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { errorText, UsageError } from "../../pipeline/errors.ts";
import { decodeK3sSecrets, type K3sSecrets } from "../k3s_form.ts";
import { readSecretFile } from "../secret_input.ts";

/** Everything that may fit. */
export interface OpeningKeys {
  /** `AGE-SECRET-KEY-…` */
  readonly identities: readonly string[];
  readonly privateKeys: readonly KeyObject[];
  /** Asked for when something needs it, once; undefined where none was offered. */
  readonly passphrase: (() => Promise<string>) | undefined;
  readonly k3sSecrets: K3sSecrets | undefined;
}

/** Where the keys come from. */
export interface KeySources {
  /** Files: age identities, one per line with `#` comments, or an RSA private key in PEM. */
  readonly identityFiles: readonly string[];
  readonly passphrase?: () => Promise<string>;
  /** Environment: `salt`, `key` and `iv`; `PRIVATE_PEM`, and `PRIVATE_KEY` as the file with its passphrase, as in fetch-diags.sh. */
  variable(name: string): string | undefined;
}

/** Reads the keys. @throws naming the file that holds none; never its content */
export async function loadKeys({ identityFiles, passphrase, variable }: KeySources): Promise<OpeningKeys> {
  const identities: string[] = [];
  const privateKeys: KeyObject[] = [];
  let asked: Promise<string> | undefined;
  const once = passphrase === undefined ? undefined : () => asked ??= passphrase();
  for (const path of identityFiles) {
    const text = new TextDecoder().decode(readSecretFile(path));
    if (text.includes("-----BEGIN")) privateKeys.push(await readPrivateKey(path, text, once));
    else identities.push(...readIdentities(path, text));
  }
  const pem = variable("PRIVATE_PEM");
  if (pem !== undefined && pem !== "") {
    const words = variable("PRIVATE_KEY");
    const fromFile = words === undefined || words === ""
      ? once
      : () => Promise.resolve(new TextDecoder().decode(readSecretFile(words)).split("\n")[0]!);
    privateKeys.push(await readPrivateKey(pem, new TextDecoder().decode(readSecretFile(pem)), fromFile));
  }
  const secrets = ["salt", "key", "iv"].map((name) => `${name}=${variable(name) ?? ""}\n`).join("");
  return { identities, privateKeys, passphrase: once, k3sSecrets: decodeK3sSecrets(secrets) };
}

function readIdentities(path: string, text: string): readonly string[] {
  const words = text.split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  if (words.length === 0 || !words.every((word) => /^AGE-SECRET-KEY-(PQ-)?1[0-9A-Z]+$/.test(word))) {
    throw new UsageError(
      `"${path}": no age identity and no private key in PEM\nTry: the file that age-keygen wrote`,
    );
  }
  return words;
}

async function readPrivateKey(
  path: string,
  pem: string,
  passphrase: (() => Promise<string>) | undefined,
): Promise<KeyObject> {
  const encrypted = /ENCRYPTED/.test(pem);
  if (encrypted && passphrase === undefined) {
    throw new UsageError(`"${path}": the key has a passphrase\nTry: --passphrase, or --passphrase-file FILE`);
  }
  try {
    return createPrivateKey({ key: pem, format: "pem", ...(encrypted ? { passphrase: await passphrase!() } : {}) });
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const why = encrypted ? "its passphrase is wrong, or it is damaged" : `it cannot be read (${errorText(error)})`;
    throw new Error(`Cannot use private key "${path}": ${why}`);
  }
}
