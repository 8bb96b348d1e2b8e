/** `agent cert` against a certifix-shaped service of openssl and Python, and against our `sign`; openssl judges the artefacts. */
import { deepStrictEqual, match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { Authority } from "../../src/cert/authority/authority.ts";
import { parseName } from "../../src/cert/name.ts";
import { agentCommand } from "../peers/agent.ts";
import { Device, subject } from "../peers/device.ts";
import { Certifix } from "../peers/certifix.ts";
import { Pki } from "../peers/pki.ts";
import { freePort } from "../peers/ports.ts";
import { runProgram } from "../peers/process.ts";
import { sharedChallenge, SigningService, startSigner } from "../peers/signer.ts";
import { needs } from "../peers/skip.ts";

const shownSubject = "C = GB, ST = London, O = Telent, OU = devices, CN = rotuer";

async function openssl(...args: readonly string[]): Promise<string> {
  return (await runProgram("openssl", args)).stdout;
}

Deno.test({
  name: "agent cert enroll gets a certificate from a certifix made of openssl and Python, for each kind of key",
  ...needs("openssl", "python3"),
  fn: async () => {
    using pki = await Pki.make();
    await using service = await Certifix.start({ pki, challenge: sharedChallenge });
    for (const type of ["ec-p256", "ec-p384", "rsa-2048"]) {
      using device = new Device();
      await device.enroll(service.url, pki.ca, ["--key-type", type]);
      match(await openssl("verify", "-CAfile", pki.ca, "-purpose", "sslclient", device.cert), /: OK/);
      const text = await openssl("x509", "-in", device.cert, "-noout", "-text");
      ok(text.includes(`Subject: ${shownSubject}`), text);
      ok(text.includes("DNS:rotuer"), text);
      const [ofKey, ofCert] = [
        await openssl("pkey", "-in", join(device.dir, "key"), "-pubout"),
        await openssl("x509", "-in", device.cert, "-noout", "-pubkey"),
      ];
      strictEqual(ofKey, ofCert);
      strictEqual(Deno.statSync(join(device.dir, "key")).mode! & 0o777, 0o600);
      const status = await device.status();
      deepStrictEqual([status["chain"], status["keyMatches"], status["ok"]], ["ok", true, true]);
    }
    using again = new Device();
    await again.enroll(service.url, pki.ca);
    const issued = service.issued;
    match((await again.enroll(service.url, pki.ca)).stderr, /still good/);
    strictEqual(service.issued, issued, "nothing to do means that nobody is asked");
  },
});

Deno.test({
  name: "agent cert enroll tells refused, unreachable and clock apart by text and code",
  ...needs("openssl", "python3"),
  fn: async () => {
    using pki = await Pki.make();
    await using service = await Certifix.start({ pki, challenge: sharedChallenge });
    using device = new Device("wrong");
    match(
      (await device.enroll(service.url, pki.ca, [], 77)).stderr,
      /refused \(403, wrong password\)\nTry: check the challenge/,
    );
    match((await device.enroll(service.url.replace("sign", "nope"), pki.ca, [], 77)).stderr, /404/);
    match(
      (await device.enroll(`https://localhost:${freePort()}/sign`, pki.ca, [], 75)).stderr,
      /nothing listens there/,
    );
    match((await device.enroll(service.url, pki.strangerCa, [], 75)).stderr, /issuer|trusted/);
    const young = join(device.folder, "young.crt");
    await makeYoungCa(device.folder, young);
    match((await device.enroll(service.url, young, [], 79)).stderr, /clock not set/);
    deepStrictEqual(await device.status(1), { dir: device.dir, present: false, requestPending: true });
    Deno.chmodSync(device.secret, 0o644);
    match((await device.enroll(service.url, pki.ca, [], 1)).stderr, /everybody may read it\nTry: chmod 600/);
    match((await device.enroll("http://localhost/sign", pki.ca, [], 2)).stderr, /https/);
  },
});

/** A CA whose life begins tomorrow: to whoever trusts it, the clock here is behind. */
async function makeYoungCa(folder: string, cert: string): Promise<void> {
  const [key, csr, config, index, serial] = ["k", "csr", "conf", "index", "serial"].map((name) =>
    join(folder, `young.${name}`)
  );
  Deno.writeTextFileSync(index!, "");
  Deno.writeTextFileSync(serial!, "01");
  Deno.writeTextFileSync(
    config!,
    `[ca]\ndefault_ca=d\n[d]\ndatabase=${index}\nserial=${serial}\nnew_certs_dir=${folder}\ndefault_md=sha256\npolicy=p\n` +
      "[p]\ncommonName=supplied\n[v3]\nbasicConstraints=critical,CA:true\n",
  );
  await openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key!, "-subj", "/CN=young", "-out", csr!);
  const date = (days: number): string =>
    new Date(Date.now() + days * 86_400_000).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  await openssl(
    ...["ca", "-batch", "-notext", "-selfsign", "-config", config!, "-keyfile", key!, "-in", csr!, "-out", cert],
    ...["-startdate", date(1), "-enddate", date(9), "-extensions", "v3"],
  );
}

Deno.test({
  name: "agent cert keeps the pair in use when the answer is of another key, rubbish, half, or never comes",
  ...needs("openssl", "python3"),
  fn: async () => {
    using pki = await Pki.make();
    using device = new Device();
    {
      await using service = await Certifix.start({ pki, challenge: sharedChallenge });
      await device.enroll(service.url, pki.ca);
    }
    const before = await device.status();
    const faults = {
      stranger: [1, /not for our key/],
      rubbish: [1, /no PEM certificate/],
      half: [1, /no PEM certificate/],
      busy: [75, /503/],
      mute: [75, /no whole answer within/],
    } as const;
    for (const [fault, [code, pattern]] of Object.entries(faults)) {
      await using service = await Certifix.start({
        pki,
        challenge: sharedChallenge,
        fault: fault as keyof typeof faults,
      });
      const words = ["--force", "--timeout", fault === "mute" ? "2s" : "60s"];
      match((await device.enroll(service.url, pki.ca, words, code)).stderr, pattern, fault);
      strictEqual((await device.status())["serial"], before["serial"], fault);
    }
  },
});

Deno.test("agent cert enrols, renews without a challenge, and keeps or rotates the key, against agent sign", async () => {
  await using service = await startSigner();
  using device = new Device();
  const url = `${service.origin}/sign`;
  await device.enroll(url, service.ca, ["--exec", `echo "$CERTFILE" >${device.folder}/hook`]);
  strictEqual(Deno.readTextFileSync(join(device.folder, "hook")), `${device.cert}\n`);
  const keyOf = (): string => Deno.readTextFileSync(join(device.dir, "key"));
  const first = { key: keyOf(), serial: (await device.status())["serial"] };
  const renew = ["renew", "--url", url, "--ca", service.ca, "--subject", subject, "--hostname", "rotuer"];
  match((await device.run(renew)).stderr, /still good/);
  await device.run([...renew, "--force"]);
  const second = { key: keyOf(), serial: (await device.status())["serial"] };
  notStrictEqual(second.key, first.key);
  notStrictEqual(second.serial, first.serial);
  await device.run([...renew, "--force", "--reuse-key"]);
  strictEqual(keyOf(), second.key);
  deepStrictEqual(service.issued.map(({ proof }) => String(proof).split(":")[0]), [
    "challenge",
    "certificate",
    "certificate",
  ]);
  match(await openssl("verify", "-CAfile", service.ca, "-purpose", "sslclient", device.cert), /: OK/);
  strictEqual((await device.status())["previous"], 2, "the generation before is kept, older ones are not");
  deepStrictEqual(
    [...Deno.readDirSync(device.dir)].map(({ name }) => name).filter((name) => name.startsWith("gen")).sort(),
    [
      "gen-2",
      "gen-3",
    ],
  );
});

Deno.test("agent cert renew of a revoked certificate needs the challenge again", async () => {
  await using service = await startSigner();
  using device = new Device();
  await device.enroll(`${service.origin}/sign`, service.ca);
  const { serial } = await device.status();
  const { command, args } = agentCommand([
    "sign",
    "revoke",
    String(serial),
    "--dir",
    service.dir,
    "--reason",
    "superseded",
  ]);
  await runProgram(command, args);
  const renew = [
    "renew",
    "--force",
    "--url",
    `${service.origin}/sign`,
    "--ca",
    service.ca,
    "--subject",
    subject,
    "--hostname",
    "rotuer",
  ];
  match((await device.run(renew, 77)).stderr, /revoked/);
  await device.run([...renew, "--challenge-file", device.secret]);
  const crl = join(service.dir, "ca.crl");
  match(await openssl("crl", "-in", crl, "-noout", "-text", "-CAfile", service.ca), /Superseded/);
  const old = join(device.dir, "gen-1/cert");
  const { stderr, stdout } = await runProgram("openssl", [
    "verify",
    "-CAfile",
    service.ca,
    "-crl_check",
    "-CRLfile",
    crl,
    old,
  ], { expectCode: 2 });
  match(stdout + stderr, /certificate revoked/);
  match(await openssl("verify", "-CAfile", service.ca, "-crl_check", "-CRLfile", crl, device.cert), /: OK/);
});

Deno.test("agent cert csr and install carry a request by hand, signed by openssl", async () => {
  using pki = await Pki.make();
  using device = new Device();
  const csr = join(device.folder, "x.csr");
  await device.run([
    "csr",
    "--subject",
    subject,
    "--hostname",
    "rotuer",
    "--challenge-file",
    device.secret,
    "--output",
    csr,
  ]);
  const text = await openssl("req", "-in", csr, "-noout", "-verify", "-text");
  ok(text.includes(`Subject: ${shownSubject}`), text);
  match(text, /challengePassword/);
  match(text, /DNS:rotuer/);
  const extensions = join(device.folder, "ext");
  Deno.writeTextFileSync(extensions, "extendedKeyUsage=clientAuth\nsubjectAltName=DNS:rotuer\n");
  const answer = join(device.folder, "x.p7b");
  const signed = join(device.folder, "x.crt");
  await openssl(
    "x509",
    "-req",
    "-in",
    csr,
    "-CA",
    pki.ca,
    "-CAkey",
    join(pki.folder, "ca.key"),
    "-set_serial",
    "77",
    "-days",
    "3",
    "-extfile",
    extensions,
    "-out",
    signed,
  );
  await openssl("crl2pkcs7", "-nocrl", "-certfile", signed, "-certfile", pki.ca, "-out", answer);
  match((await device.run(["install", pki.client.cert, "--ca", pki.ca], 1)).stderr, /not for our key/);
  await device.run(["install", answer, "--ca", pki.ca]);
  strictEqual((await device.status())["serial"], "4d");
  match((await device.run(["install", answer, "--ca", pki.ca], 1)).stderr, /no request waits/);
});

Deno.test("two processes that enrol at once get one certificate", async () => {
  await using service = await startSigner();
  using device = new Device();
  await Promise.all([1, 2, 3].map(() => device.enroll(`${service.origin}/sign`, service.ca)));
  strictEqual(service.issued.length, 1);
  strictEqual((await device.status())["generation"], 1);
});

Deno.test({
  name: "agent cert enrols over EST at a service of openssl and Python: csrattrs, 202, the same request again",
  ...needs("openssl", "python3"),
  fn: async () => {
    using pki = await Pki.make();
    await using service = await Certifix.start({ pki, challenge: sharedChallenge });
    using device = new Device();
    const est = ["--protocol", "est"];
    match((await device.enroll(service.estUrl, pki.ca, est, 75)).stderr, /waits at localhost:\d+ to be granted/);
    await device.enroll(service.estUrl, pki.ca, est);
    match(await openssl("x509", "-in", device.cert, "-noout", "-text"), /secp384r1/);
    match(await openssl("verify", "-CAfile", join(device.dir, "ca"), device.cert), /: OK/);
    using watched = new Device();
    await using watch = watched.watch(service.estUrl, pki.ca, est);
    await watch.waitForOutput(/installed certificate/, 30_000);
  },
});

Deno.test("agent cert enroll waits for a clock that is not set, says so once, then enrols", async () => {
  const day = 86_400_000;
  const startYoung = async (beginsInMs: number): Promise<SigningService> => {
    const service = new SigningService({});
    await Authority.init(service.dir, parseName("CN=young CA"), 10 * day, Date.now() + day + beginsInMs);
    await service.start();
    return service;
  };
  using device = new Device();
  const beganMs = performance.now();
  {
    await using service = await startYoung(day);
    match((await device.enroll(`${service.origin}/sign`, service.ca, [], 79)).stderr, /clock not set/);
  }
  // Long enough that it has begun to wait by then, however slow this machine is.
  await using service = await startYoung(2_000 + 3 * (performance.now() - beganMs));
  const { stderr } = await device.enroll(`${service.origin}/sign`, service.ca, ["--wait-clock", "120s"]);
  strictEqual(stderr.split("clock not set").length, 2, stderr);
  strictEqual((await device.status())["ok"], true);
});

Deno.test("agent cert takes what it needs from a configuration, and renews after the secret was taken away", async () => {
  await using service = await startSigner();
  using device = new Device();
  const config = join(device.folder, "agent.yaml");
  Deno.writeTextFileSync(
    config,
    `state: ${device.folder}\nhostname: rotuer\nsources: {in: {type: stdin}}\nsinks: {out: {type: stdout}}\n` +
      `certificate: {protocol: certifix, url: "${service.origin}/sign", ca: ${service.ca}, ` +
      `subject: "O=Telent,CN=\${hostname}", challengeFile: ${device.secret}}\n`,
  );
  const run = async (...words: readonly string[]): Promise<string> => {
    const { command, args } = agentCommand(["cert", ...words, "--config", config]);
    return (await runProgram(command, args)).stdout;
  };
  await run("enroll");
  Deno.removeSync(device.secret);
  await run("renew", "--force");
  const status = JSON.parse(await run("status", "--json"));
  deepStrictEqual([status.dir, status.subject, status.generation], [
    join(device.folder, "cert"),
    "O=Telent,CN=rotuer",
    2,
  ]);
});
