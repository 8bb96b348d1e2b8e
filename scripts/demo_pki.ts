/** A CA, a server's and a client's certificate for the demo, made here and thrown away with it. */
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { join } from "node:path";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const usages: KeyUsage[] = ["sign", "verify"];

/** Writes `ca.crt`, `server.crt`, `server.key`, `client.crt` and `client.key` to `folder`; keys with mode 0600. */
export async function makeDemoPki(folder: string, clientName: string): Promise<void> {
  x509.cryptoProvider.set(crypto);
  const caKeys = await crypto.subtle.generateKey(algorithm, true, usages);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=agent demo CA",
    keys: caKeys,
    signingAlgorithm: algorithm,
    ...validity(),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  Deno.writeTextFileSync(join(folder, "ca.crt"), ca.toString("pem") + "\n");
  await issue(folder, "server", "localhost", "1.3.6.1.5.5.7.3.1", ca, caKeys.privateKey);
  await issue(folder, "client", clientName, "1.3.6.1.5.5.7.3.2", ca, caKeys.privateKey);
}

async function issue(
  folder: string,
  file: string,
  name: string,
  purpose: string,
  ca: x509.X509Certificate,
  signingKey: CryptoKey,
): Promise<void> {
  const keys = await crypto.subtle.generateKey(algorithm, true, usages);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: [name] }],
    issuer: ca.subject,
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: algorithm,
    ...validity(),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: name }]),
      new x509.ExtendedKeyUsageExtension([purpose]),
    ],
  });
  Deno.writeTextFileSync(join(folder, `${file}.crt`), certificate.toString("pem") + "\n");
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  Deno.writeTextFileSync(join(folder, `${file}.key`), key + "\n", { mode: 0o600, createNew: true });
}

function validity(): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 24 * 3_600_000) };
}
