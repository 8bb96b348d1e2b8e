/** Hostile requests, slow peers and crowds on `agent sign`: refused with the right status, logged, nothing issued, others served. */
import { match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { runProgram } from "../peers/process.ts";
import { sharedChallenge, type SigningService, startSigner } from "../peers/signer.ts";
import { needs } from "../peers/skip.ts";

/** A request made by openssl with the given words in its configuration. */
async function makeRequest(
  folder: string,
  wish: { challenge?: string; subject?: string; extensions?: string; key?: readonly string[] } = {},
): Promise<string> {
  const { challenge = sharedChallenge, subject = "/O=Telent/CN=rotuer", extensions = "subjectAltName=DNS:rotuer" } =
    wish;
  const base = join(folder, crypto.randomUUID());
  const password = challenge === "" ? "" : `challengePassword=${challenge}\n`;
  // In the configuration, because openssl leaves the challenge out when -subj is given.
  const words = subject.slice(1).split("/").map((word, i) => `${i}.${word}\n`).join("");
  Deno.writeTextFileSync(
    `${base}.conf`,
    `[req]\nprompt=no\nutf8=yes\nstring_mask=utf8only\ndistinguished_name=dn\nattributes=at\nreq_extensions=ext\n[dn]\n${words}` +
      `[at]\n${password}[ext]\n${extensions}\n`,
  );
  const key = wish.key ?? ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  await runProgram("openssl", [
    ...["req", "-new", ...key, "-nodes", "-keyout", `${base}.key`, "-config", `${base}.conf`],
    ...["-utf8", "-out", `${base}.csr`],
  ]);
  return `${base}.csr`;
}

/** curl's form of the request, as in certifix's own instructions. */
async function post(
  service: SigningService,
  file: string,
  type = "application/x-pem-file",
): Promise<{ status: number; body: string }> {
  const { stdout } = await runProgram("curl", [
    ...["-s", "--cacert", service.ca, "-H", `content-type: ${type}`, "--data-binary", `@${file}`],
    ...["-w", "\n%{http_code}", "--max-time", "20", `${service.origin}/sign`],
  ]);
  const at = stdout.lastIndexOf("\n");
  return { status: Number(stdout.slice(at + 1)), body: stdout.slice(0, at) };
}

Deno.test({
  name: "agent sign answers curl's form of the request; openssl agrees with the certificate",
  ...needs("openssl", "curl"),
  fn: async () => {
    await using service = await startSigner();
    const { status, body } = await post(service, await makeRequest(service.folder));
    strictEqual(status, 200, body);
    const file = join(service.folder, "x.crt");
    Deno.writeTextFileSync(file, body);
    const verdict = await runProgram("openssl", [
      "verify",
      "-x509_strict",
      "-CAfile",
      service.ca,
      "-purpose",
      "sslclient",
      file,
    ]);
    match(verdict.stdout, /: OK/);
    const { stdout } = await runProgram("openssl", ["x509", "-in", file, "-noout", "-text"]);
    match(stdout, /Version: 3/);
    match(stdout, /Subject: O = Telent, CN = rotuer/);
    match(stdout, /TLS Web Client Authentication\n/);
    match(stdout, /CA:FALSE/);
  },
});

Deno.test({
  name: "agent sign refuses hostile requests with the right status, logs each, and issues nothing",
  ...needs("openssl", "curl"),
  fn: async () => {
    await using service = await startSigner({
      words: ["--allow-subject", "O=Telent,CN=*", "--allow-san", "*.devices.lab"],
    });
    const { folder } = service;
    const good = Deno.readTextFileSync(await makeRequest(folder));
    const write = (text: string): string => {
      const path = join(folder, crypto.randomUUID());
      Deno.writeTextFileSync(path, text);
      return path;
    };
    const flipped = Uint8Array.fromBase64(good.replaceAll(/-----.*-----/g, "").replaceAll(/\s/g, ""));
    flipped[flipped.length - 3]! ^= 1;
    const cases: Readonly<Record<string, readonly [string, number, RegExp]>> = {
      "no challenge": [await makeRequest(folder, { challenge: "" }), 403, /no challenge/],
      "wrong challenge": [await makeRequest(folder, { challenge: "p@ss_w*rd&y" }), 403, /wrong challenge/],
      "challenge with more behind it": [await makeRequest(folder, { challenge: `${sharedChallenge}x` }), 403, /wrong/],
      "truncated": [write(good.slice(0, good.length / 2)), 400, /not a certificate request/],
      "truncated inside": [write(good.replace(/\n[^-\n]+\n-----END/, "\n-----END")), 400, /not a certificate request/],
      "empty": [write(""), 400, /not a certificate request/],
      "not a request": [write(Deno.readTextFileSync(service.ca)), 400, /no PEM block/],
      "1 MB": [write(good + "x".repeat(1_000_000)), 413, /more than 65536 bytes/],
      "RSA 512": [await makeRequest(folder, { key: ["-newkey", "rsa:512"] }), 403, /RSA key of 512 bits/],
      "CA:TRUE": [await makeRequest(folder, { extensions: "basicConstraints=CA:TRUE" }), 403, /CA certificate/],
      "keyCertSign": [await makeRequest(folder, { extensions: "keyUsage=keyCertSign" }), 403, /signs certificates/],
      "server": [await makeRequest(folder, { extensions: "extendedKeyUsage=serverAuth" }), 403, /this use/],
      "SAN of another": [
        await makeRequest(folder, { extensions: "subjectAltName=DNS:rotuer,DNS:other" }),
        403,
        /DNS:other/,
      ],
      "SAN as a wildcard": [
        await makeRequest(folder, { extensions: "subjectAltName=DNS:*.devices.lab" }),
        403,
        /of others/,
      ],
      "SAN of another kind": [
        await makeRequest(folder, { extensions: "subjectAltName=RID:1.2.3.4" }),
        403,
        /of others/,
      ],
      "foreign subject": [await makeRequest(folder, { subject: "/O=Evil/CN=rotuer" }), 403, /not allowed/],
      "two names": [await makeRequest(folder, { subject: "/O=Telent/CN=rotuer/CN=other" }), 403, /one CN/],
      "bad signature": [
        write(`-----BEGIN CERTIFICATE REQUEST-----\n${flipped.toBase64()}\n-----END CERTIFICATE REQUEST-----\n`),
        400,
        /not signed/,
      ],
    };
    for (const [name, [file, status, reason]] of Object.entries(cases)) {
      const answer = await post(service, file);
      strictEqual(answer.status, status, `${name}: ${answer.body}`);
      await service.program.waitUntil(
        () => reason.test(service.program.stderr),
        `a line in the log like ${reason} (${name})`,
      );
    }
    strictEqual((await post(service, write(good), "text/html")).status, 415);
    strictEqual(service.issued.length, 0);
    ok(!service.program.stderr.includes("p@ss"), "no challenge in the log");
    strictEqual(
      (await post(service, await makeRequest(folder, { extensions: "subjectAltName=DNS:rotuer,DNS:a.devices.lab" })))
        .status,
      200,
    );
    strictEqual(service.issued.length, 1);
  },
});

Deno.test({
  name: "agent sign takes a one-time challenge for its device and one key only",
  ...needs("openssl", "curl"),
  fn: async () => {
    await using service = await startSigner({ devices: "rotuer:only-once\nother:elsewhere\n" });
    const { folder } = service;
    strictEqual(
      (await post(service, await makeRequest(folder, { challenge: "elsewhere" }))).status,
      403,
      "another device's",
    );
    const request = await makeRequest(folder, { challenge: "only-once" });
    strictEqual((await post(service, request)).status, 200);
    strictEqual((await post(service, request)).status, 200, "the same key: its answer was lost");
    const second = await makeRequest(folder, { challenge: "only-once" });
    strictEqual((await post(service, second)).status, 403);
    const { port } = service;
    await service.program.kill();
    await service.start(port);
    strictEqual((await post(service, second)).status, 403, "also after a restart");
    Deno.writeTextFileSync(service.devicesFile, "rotuer:another-one\n");
    strictEqual(
      (await post(service, await makeRequest(folder, { challenge: "another-one" }))).status,
      200,
      "the file is read again",
    );
  },
});

Deno.test({
  name: "agent sign limits requests per address",
  ...needs("openssl", "curl"),
  fn: async () => {
    await using service = await startSigner({ words: ["--rate", "6"] });
    const wrong = await makeRequest(service.folder, { challenge: "guess" });
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await post(service, wrong)).status);
    strictEqual(statuses.join(), "403,403,429,429", "a failure costs three");
  },
});

Deno.test({
  name: "agent sign serves others while 1,000 connections idle and dribble, and gets rid of those",
  ...needs("openssl", "curl"),
  fn: async () => {
    await using service = await startSigner({ words: ["--max-connections", "300"] });
    const request = await makeRequest(service.folder);
    const plain: Deno.TcpConn[] = [];
    for (let i = 0; i < 900; i++) plain.push(await Deno.connect({ hostname: "127.0.0.1", port: service.port }));
    const slow = await Promise.all(Array.from({ length: 100 }, () => openSlow(service.port)));
    const dribble = setInterval(() => slow.forEach((socket) => socket.write("X-Header: 1\r\n")), 500);
    for (let i = 0; i < 5; i++) strictEqual((await post(service, request)).status, 200, `request ${i}`);
    await service.program.waitUntil(() => slow.every((socket) => socket.destroyed), "the end of the slow ones", 40_000);
    clearInterval(dribble);
    strictEqual((await post(service, request)).status, 200);
    for (const connection of plain) connection.close();
    ok(service.program.usage.peakMiB < 250, `${service.program.usage.peakMiB} MiB`);
  },
});

/** A TLS connection that has begun a request and never ends it. */
function openSlow(port: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      socket.write("POST /sign HTTP/1.1\r\nHost: x\r\n");
      resolve(socket);
    });
    socket.on("error", (error: Error) => (socket.destroy(), reject(error)));
    socket.resume();
  });
}

Deno.test({
  name: "agent sign goes on where it was after a kill -9, with the torn end of its log removed",
  ...needs("openssl", "curl"),
  fn: async () => {
    await using service = await startSigner();
    strictEqual((await post(service, await makeRequest(service.folder))).status, 200);
    await service.program.kill();
    Deno.writeTextFileSync(join(service.dir, "issued.jsonl"), '{"event":"issued","serial":"ab', { append: true });
    await service.start();
    await service.program.waitForOutput(/in the middle of a line/);
    strictEqual((await post(service, await makeRequest(service.folder))).status, 200);
    strictEqual(service.issued.length, 2);
    strictEqual(Deno.statSync(join(service.dir, "ca.key")).mode! & 0o777, 0o600);
  },
});
