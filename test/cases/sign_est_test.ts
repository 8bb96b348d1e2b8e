/** EST (RFC 7030) on `agent sign`, driven by curl and openssl alone; then by our client, with a label too. */
import { match, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { runProgram } from "../peers/process.ts";
import { sharedChallenge, startSigner } from "../peers/signer.ts";
import { needs } from "../peers/skip.ts";

Deno.test({
  name: "curl and openssl go through a whole EST exchange with agent sign",
  ...needs("openssl", "curl"),
  fn: async () => {
    await using service = await startSigner();
    const at = (name: string): string => join(service.folder, name);
    const base = `${service.origin}/.well-known/est`;
    const curl = async (operation: string, ...more: readonly string[]): Promise<string> => {
      const words = ["-s", "--cacert", service.ca, "-o", at("answer"), "-D", at("head"), "-w", "%{http_code}", ...more];
      return (await runProgram("curl", [...words, `${base}/${operation}`])).stdout;
    };
    const openssl = async (...args: readonly string[]): Promise<string> => (await runProgram("openssl", args)).stdout;
    const unpack = async (out: string): Promise<void> => {
      await openssl("base64", "-d", "-in", at("answer"), "-out", at("answer.p7"));
      await openssl("pkcs7", "-inform", "DER", "-in", at("answer.p7"), "-print_certs", "-out", out);
    };
    const makeRequest = async (name: string): Promise<string> => {
      await openssl(
        ...[
          "req",
          "-new",
          "-newkey",
          "ec",
          "-pkeyopt",
          "ec_paramgen_curve:P-256",
          "-nodes",
          "-keyout",
          at(`${name}.key`),
        ],
        ...[
          "-subj",
          "/O=Telent/CN=rotuer",
          "-addext",
          "subjectAltName=DNS:rotuer",
          "-outform",
          "DER",
          "-out",
          at(`${name}.der`),
        ],
      );
      await openssl("base64", "-in", at(`${name}.der`), "-out", at(`${name}.b64`));
      return at(`${name}.b64`);
    };
    const body = (
      file: string,
    ): readonly string[] => ["-H", "content-type: application/pkcs10", "--data-binary", `@${file}`];

    strictEqual(await curl("cacerts"), "200");
    match(Deno.readTextFileSync(at("head")), /content-type: application\/pkcs7-mime/i);
    await unpack(at("cacerts.pem"));
    match(await openssl("verify", "-CAfile", at("cacerts.pem"), service.ca), /: OK/);
    strictEqual(await curl("csrattrs"), "204");

    const first = await makeRequest("first");
    strictEqual(await curl("simpleenroll", ...body(first)), "401");
    match(Deno.readTextFileSync(at("head")), /www-authenticate: Basic realm="est"/i);
    strictEqual(await curl("simpleenroll", ...body(first), "-u", "rotuer:wrong"), "401");
    strictEqual(await curl("simpleenroll", ...body(first), "-u", `rotuer:${sharedChallenge}`), "200");
    match(Deno.readTextFileSync(at("head")), /application\/pkcs7-mime; smime-type=certs-only/i);
    await unpack(at("first.crt"));
    match(await openssl("verify", "-CAfile", at("cacerts.pem"), "-purpose", "sslclient", at("first.crt")), /: OK/);

    const second = await makeRequest("second");
    const pair = ["--cert", at("first.crt"), "--key", at("first.key")];
    strictEqual(await curl("simplereenroll", ...body(second)), "401", "a renewal without a certificate");
    strictEqual(await curl("simplereenroll", ...body(second), ...pair), "200");
    await unpack(at("second.crt"));
    match(await openssl("verify", "-CAfile", at("cacerts.pem"), at("second.crt")), /: OK/);
    strictEqual(
      await openssl("x509", "-in", at("second.crt"), "-noout", "-pubkey"),
      await openssl("pkey", "-in", at("second.key"), "-pubout"),
    );
    await openssl(
      ...[
        "req",
        "-new",
        "-key",
        at("second.key"),
        "-subj",
        "/O=Telent/CN=other",
        "-outform",
        "DER",
        "-out",
        at("other.der"),
      ],
    );
    await openssl("base64", "-in", at("other.der"), "-out", at("other.b64"));
    strictEqual(await curl("simplereenroll", ...body(at("other.b64")), ...pair), "403", "a renewal for another name");
    strictEqual(service.issued.length, 2);
  },
});

Deno.test("agent cert enrols and renews over EST, with a label and with an expired certificate", async () => {
  // A certificate lives long enough that a renewal of it begins in time, however slow this machine is.
  const beganMs = performance.now();
  const version = agentCommand(["version"]);
  await runProgram(version.command, version.args);
  const lifetime = Math.max(3, Math.ceil(6 * (performance.now() - beganMs) / 1_000));
  await using service = await startSigner({ words: ["--lifetime", `${lifetime}s`] });
  const dir = join(service.folder, "device");
  const secret = ["--challenge-file", service.challengeFile];
  const cert = async (words: readonly string[], expectCode = 0): Promise<string> => {
    const common = ["--dir", dir, "--protocol", "est", "--url", `${service.origin}/.well-known/est/devices`];
    const { command, args } = agentCommand([
      "cert",
      ...words,
      ...common,
      "--ca",
      service.ca,
      "--subject",
      "O=Telent,CN=rotuer",
    ]);
    return (await runProgram(command, args, { expectCode })).stderr;
  };
  match(await cert(["enroll"], 77), /no challenge password/);
  await cert(["enroll", ...secret]);
  await cert(["renew", "--force"]);
  strictEqual(service.issued.map(({ proof }) => String(proof).split(":")[0]).join(), "challenge,certificate");
  const end = Date.parse(String(service.issued[1]!["notAfter"]));
  while (Date.now() <= end) await new Promise((resolve) => setTimeout(resolve, end - Date.now() + 50));
  match(await cert(["renew"], 77), /no challenge password/);
  await cert(["renew", ...secret]);
  strictEqual(service.issued.length, 3);
});
