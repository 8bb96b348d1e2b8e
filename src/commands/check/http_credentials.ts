/** Whether the secrets of sinks over HTTP can be used, and are kept from others. */
import type { HttpSinkConfig } from "../../config/config.ts";
import { errorText } from "../../pipeline/errors.ts";
import { authorization } from "../../sinks/http/credentials.ts";
import { broken, type Finding, fine, warning } from "./finding.ts";

/** Looks at the files that a sink names; none where it needs no secret. */
export function checkHttpCredentials(
  subject: string,
  { credentials, tls }: Pick<HttpSinkConfig, "credentials" | "tls">,
): readonly Finding[] {
  if (credentials === undefined) return [];
  try {
    authorization(credentials);
  } catch (error) {
    return [broken(subject, errorText(error), "write the secret into the file, or name another")];
  }
  const path = credentials.secretFile;
  const mode = Deno.statSync(path).mode ?? 0;
  return [
    (mode & 0o077) === 0
      ? fine(subject, `credentials in "${path}"`)
      : warning(subject, `"${path}" can be read by others (mode ${(mode & 0o777).toString(8)})`, `chmod 600 ${path}`),
    ...(tls === undefined
      ? [warning(subject, "credentials go over the network without TLS", "set tls: {enabled: true}")]
      : []),
  ];
}
