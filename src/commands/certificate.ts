/** From words and configuration to an enrolment; shared by `agent cert` and `agent ship`. */
import { hostname } from "node:os";
import { type Alternative, alternativeOfCommonName, parseAlternative } from "../cert/alternatives.ts";
import type { EnrolmentOptions } from "../cert/enrolment.ts";
import { type KeyType, keyTypes } from "../cert/keys.ts";
import { machineSeed } from "../cert/machine.ts";
import { formatName, type Name, parseName, wordOf } from "../cert/name.ts";
import { protocols } from "../cert/protocols.ts";
import { openSecret } from "../cert/secret.ts";
import type { CertificateConfig } from "../config/config.ts";
import { UsageError } from "../pipeline/errors.ts";
import { parseDurationMs } from "../formats/duration.ts";
import { oneOf } from "./options.ts";
import { usage } from "./words.ts";

/** What says which certificate is wanted: options of the command line, or the key `certificate` of a configuration. */
export interface EnrolmentWords {
  readonly protocol?: string;
  readonly url?: string;
  readonly ca?: string;
  readonly subject?: string;
  readonly san?: readonly string[];
  readonly challengeFile?: string;
  readonly challengeEnv?: string;
  readonly user?: string;
  readonly keyType?: string;
  readonly reuseKey?: boolean;
  readonly hostname?: string;
  readonly timeout?: string;
}

/** The enrolment that the words describe. @throws {UsageError} naming the option that is missing or wrong */
export function enrolmentOptions(words: EnrolmentWords): EnrolmentOptions {
  const protocol = oneOf("--protocol", words.protocol ?? "certifix", ["certifix", "est"]);
  const { subject, alternatives } = wantedNames(words);
  return {
    protocol: protocols[protocol],
    url: parseUrl(required("--url", words.url)),
    ca: required("--ca", words.ca ?? Deno.env.get("CAFILE")),
    subject,
    alternatives,
    ...(words.keyType === undefined ? {} : { keyType: oneOf<KeyType>("--key-type", words.keyType, keyTypes) }),
    reuseKey: words.reuseKey === true,
    challenge: openSecret({
      ...(words.challengeFile === undefined ? {} : { file: words.challengeFile }),
      ...(words.challengeEnv === undefined ? {} : { environment: words.challengeEnv }),
    }),
    ...(words.user === undefined ? {} : { userName: words.user }),
    timeoutMs: usage("--timeout", () => parseDurationMs(words.timeout ?? "30s")),
    seed: machineSeed(formatName(subject)),
  };
}

/** Subject and alternative names; the SAN is the common name where none is given. @throws {UsageError} */
function wantedNames(words: EnrolmentWords): { subject: Name; alternatives: readonly Alternative[] } {
  const host = words.hostname ?? hostname();
  const text = required("--subject", words.subject).replaceAll("${hostname}", host);
  const subject = usage("--subject", () => parseName(text));
  const common = wordOf(subject, "CN");
  const own = common === undefined ? undefined : alternativeOfCommonName(common);
  const alternatives = words.san === undefined
    ? own === undefined ? [] : [own]
    : words.san.map((one) => usage("--san", () => parseAlternative(one.replaceAll("${hostname}", host))));
  return { subject, alternatives };
}

function parseUrl(text: string): URL {
  const url = usage("--url", () => new URL(text));
  if (url.protocol !== "https:") {
    throw new UsageError(`--url: "${text}" does not begin with https://; secrets go nowhere else`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new UsageError("--url: a secret does not belong there\nTry: --challenge-file FILE");
  }
  return url;
}

function required(option: string, value: string | undefined): string {
  if (value === undefined) throw new UsageError(`${option} is missing\nTry: agent cert --help`);
  return value;
}

/** The words in the key `certificate` of a configuration. */
export function wordsOfConfig(config: CertificateConfig): EnrolmentWords {
  const { folder: _folder, exec: _exec, ...words } = config;
  return words;
}
