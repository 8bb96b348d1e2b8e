/**
 * Certificates and keys, checked before the runtime sees them (invariant 7): it panics on a version 1 certificate or a
 * key that does not match in some of its interfaces, and says little in the others.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { failure } from "../pipeline/errors.ts";

/** Files of one end of a TLS connection, PEM. */
export interface CredentialFiles {
  /** CA certificates that sign the peer's. */
  readonly ca?: string;
  /** Own certificate, followed by its intermediates. */
  readonly cert?: string;
  readonly key?: string;
}

/** Contents of the files, fit for use. */
export interface Credentials {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** End of the own certificate's life. */
  readonly notAfter?: Date;
}

/**
 * Reads and checks the files. Dates are checked against `now`.
 * @throws naming the file and what is wrong with it; the key's content is never part of a message
 */
export function loadCredentials(files: CredentialFiles, now: Date = new Date()): Credentials {
  const ca = files.ca === undefined ? undefined : readPem(files.ca, "CERTIFICATE");
  if (ca !== undefined) certificatesOf(files.ca!, ca);
  if (files.cert === undefined && files.key === undefined) return ca === undefined ? {} : { ca };
  if (files.cert === undefined || files.key === undefined) {
    throw new Error(
      `Cannot use ${files.cert ?? files.key}: a certificate and its key go together, and one is not named`,
    );
  }
  const cert = readPem(files.cert, "CERTIFICATE");
  const key = readPem(files.key, "PRIVATE KEY");
  const leaf = certificatesOf(files.cert, cert)[0]!;
  checkLeaf(files.cert, leaf, now);
  checkPair(files.cert, leaf, files.key, key);
  return { ...(ca === undefined ? {} : { ca }), cert, key, notAfter: new Date(leaf.validTo) };
}

/** Version of an X.509 certificate in DER: 1, 2 or 3. @see RFC 5280 section 4.1.2.1 */
function certificateVersion(der: Uint8Array): number {
  const outer = elementStart(der, 0);
  const inner = elementStart(der, outer);
  if (der[inner] !== 0xa0) return 1; // the version is optional, and version 1 is its default
  return der[elementStart(der, elementStart(der, inner))]! + 1;
}

/** Offset of the content of the DER element at `at`. */
function elementStart(der: Uint8Array, at: number): number {
  const length = der[at + 1]!;
  return at + 2 + (length < 0x80 ? 0 : length & 0x7f);
}

function readPem(path: string, label: string): string {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    throw failure("read", `"${path}"`, error, "name a file that exists and that this user may read");
  }
  if (!new RegExp(`-----BEGIN ([A-Z0-9]+ )?${label}-----[^-]+-----END ([A-Z0-9]+ )?${label}-----`).test(text)) {
    throw new Error(`Cannot use "${path}": it holds no whole PEM block of a ${label.toLowerCase()}`);
  }
  return text;
}

function certificatesOf(path: string, pem: string): readonly X509Certificate[] {
  try {
    return [...pem.matchAll(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)].map(([block]) =>
      new X509Certificate(block)
    );
  } catch (error) {
    throw failure("use", `"${path}"`, new Error("a certificate in it cannot be decoded", { cause: error }));
  }
}

function checkLeaf(path: string, leaf: X509Certificate, now: Date): void {
  const version = certificateVersion(leaf.raw);
  if (version !== 3) {
    throw new Error(
      `Cannot use "${path}": it is an X.509 version ${version} certificate, and TLS needs version 3\nTry: sign it with extensions (openssl x509 -req -extfile …)`,
    );
  }
  if (new Date(leaf.validTo) <= now) {
    throw new Error(`Cannot use "${path}": the certificate expired on ${isoDate(leaf.validTo)}`);
  }
  if (new Date(leaf.validFrom) > now) {
    throw new Error(
      `Cannot use "${path}": the certificate is valid from ${
        isoDate(leaf.validFrom)
      }, and it is ${now.toISOString()} here\nTry: set the clock`,
    );
  }
}

function checkPair(certPath: string, leaf: X509Certificate, keyPath: string, key: string): void {
  let matches: boolean;
  try {
    matches = leaf.checkPrivateKey(createPrivateKey(key));
  } catch {
    throw new Error(
      `Cannot use "${keyPath}": the private key in it cannot be decoded (encrypted keys are not supported)`,
    );
  }
  if (!matches) throw new Error(`Cannot use "${keyPath}": it is not the key of the certificate "${certPath}"`);
}

/** End of a certificate's life, milliseconds since 1970; undefined where no certificate can be read at `path`. */
export function readCertificateEnd(path: string): number | undefined {
  try {
    return Date.parse(new X509Certificate(readPem(path, "CERTIFICATE")).validTo);
  } catch {
    return undefined;
  }
}

function isoDate(text: string): string {
  return new Date(text).toISOString();
}

/** Reads and checks the files as `loadCredentials` does, but lets a date pass that is wrong today: it may be renewed. */
export function checkCredentialFiles(files: CredentialFiles): void {
  const cert = files.cert === undefined ? undefined : new X509Certificate(readPem(files.cert, "CERTIFICATE"));
  loadCredentials(files, cert === undefined ? undefined : new Date(Date.parse(cert.validFrom) + 1_000));
}
