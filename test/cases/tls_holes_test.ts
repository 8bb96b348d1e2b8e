/**
 * Where rsyslog's TLS libraries let somebody in, or keep somebody out, we do what the stricter one would, or what both
 * should: one row per hole, each asked of our client and of our server, with openssl as the peer that presents the row's
 * certificate. Our client has no certificate of its own here (librelp then forgets `permittedPeer`).
 */
import { match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { dial, type TlsOptions } from "../../src/tls/dial.ts";
import { listen } from "../../src/tls/listen.ts";
import { type CertificateOptions, Pki } from "../peers/pki.ts";
import { freePort, isListening } from "../peers/ports.ts";
import { RunningProgram, runProgram } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

const wanted = "peer.lab";
const good: CertificateOptions = { commonName: wanted, alternatives: `DNS:${wanted}` };
const expired = { notBefore: "20200101000000Z", notAfter: "20210101000000Z" };

/** One DNS name with any octets in it, as DER: openssl's own syntax knows no such name. */
function rawName(text: string): string {
  const name = Uint8Array.from(text, (char) => char.charCodeAt(0));
  return `DER:${Uint8Array.of(0x30, name.length + 2, 0x82, name.length, ...name).toHex()}`;
}

/** Certificates that peers present. */
const certificates: Readonly<Record<string, CertificateOptions>> = {
  good,
  upper: { alternatives: "DNS:PEER.Lab" },
  nameOnly: { commonName: wanted },
  otherSan: { commonName: wanted, alternatives: "DNS:evil.lab" },
  mail: { commonName: "x", alternatives: `email:${wanted}` },
  uri: { commonName: "x", alternatives: `URI:${wanted}` },
  joined: { commonName: "x", alternatives: rawName(`evil.lab, DNS:${wanted}`) },
  cut: { commonName: "x", alternatives: rawName(`${wanted}\0.evil.lab`) },
  organisation: { subject: `/O=CN=${wanted}` },
  twoNames: { subject: `/O=tests/CN=${wanted}/CN=evil.lab` },
  deep: { alternatives: "DNS:a.peer.lab" },
  star: { alternatives: "DNS:*.lab" },
  selfSigned: { ...good, selfSigned: true },
  expired: { ...good, ...expired },
  early: { ...good, notBefore: "20900101000000Z", notAfter: "20910101000000Z" },
  below: { ...good, issuer: "client" },
  strange: { ...good, issuer: "stranger" },
  below2: { ...good, issuer: "intermediate" },
  serverOnly: { ...good, usage: "serverAuth" },
  clientOnly: { ...good, usage: "clientAuth" },
};

/** One way to be right or wrong. */
interface Row {
  readonly what: string;
  /** Name among {@linkcode certificates}; none: presents nothing, which only a client can. */
  readonly presents: string | undefined;
  readonly mode: TlsOptions["authMode"];
  /** `sha1`, `sha256` … stand for fingerprints of what is presented. Default: `peer.lab`. */
  readonly permitted?: readonly string[];
  /** What the refusal says; undefined: may come in. */
  readonly refusal?: RegExp;
  /** Only where the peer is a client, or a server. */
  readonly peer?: "client" | "server";
  /** More words of the peer. */
  readonly words?: readonly string[];
  /** Key in place of the certificate's own. */
  readonly key?: string;
  readonly minVersion?: "TLSv1.3";
}

const presents = (names: string): RegExp => new RegExp(`presents ${names}; permitted`);
const untrusted = /not to be trusted/;
const rows: readonly Row[] = [
  { what: "the name in the SAN", presents: "good", mode: "name" },
  { what: "a name in another case (librelp: refused)", presents: "upper", mode: "name" },
  { what: "the CN where there is no SAN", presents: "nameOnly", mode: "name" },
  {
    what: "the CN beside another SAN (both: accepted)",
    presents: "otherSan",
    mode: "name",
    refusal: presents("evil.lab"),
  },
  { what: "a mail address (OpenSSL: accepted)", presents: "mail", mode: "name", refusal: presents("no name") },
  { what: "a URI (OpenSSL: accepted)", presents: "uri", mode: "name", refusal: presents("no name") },
  { what: "one SAN that reads like two", presents: "joined", mode: "name", refusal: presents("no name") },
  { what: "a name with a NUL in it", presents: "cut", mode: "name", refusal: presents("no name") },
  {
    what: '"CN=" in the organisation (both: accepted)',
    presents: "organisation",
    mode: "name",
    refusal: presents("no name"),
  },
  { what: "two CNs", presents: "twoNames", mode: "name", refusal: presents("no name") },
  { what: "a wildcard per label", presents: "good", mode: "name", permitted: ["*.lab"] },
  {
    what: "a wildcard for one label, and two",
    presents: "deep",
    mode: "name",
    permitted: ["*.lab"],
    refusal: presents("a.peer.lab"),
  },
  { what: "a wildcard in the certificate", presents: "star", mode: "name", refusal: presents("\\*.lab") },
  { what: "SHA-1 with colons", presents: "good", mode: "fingerprint", permitted: ["sha1"] },
  {
    what: "SHA-1 without colons, in small letters (both: refused)",
    presents: "good",
    mode: "fingerprint",
    permitted: ["plain"],
  },
  { what: "SHA-256 (OpenSSL: refused)", presents: "good", mode: "fingerprint", permitted: ["sha256"] },
  {
    what: "a fingerprint of another",
    presents: "good",
    mode: "fingerprint",
    permitted: [`SHA1:${"AB:".repeat(19)}AB`],
    refusal: /fingerprint SHA256:.* not permitted/,
  },
  {
    what: "the fingerprint, self-signed (GnuTLS: accepted)",
    presents: "selfSigned",
    mode: "fingerprint",
    permitted: ["sha1"],
    refusal: /self-signed/,
  },
  {
    what: "the fingerprint, expired (GnuTLS: accepted)",
    presents: "expired",
    mode: "fingerprint",
    permitted: ["sha1"],
    refusal: /peer\.lab .* expired on 2021-01-01/,
  },
  { what: "any name of our CA with certvalid", presents: "otherSan", mode: "certvalid", permitted: [] },
  {
    what: "self-signed with certvalid (GnuTLS: accepted)",
    presents: "selfSigned",
    mode: "certvalid",
    permitted: [],
    refusal: /self-signed/,
  },
  {
    what: "another CA with certvalid (GnuTLS: accepted)",
    presents: "strange",
    mode: "certvalid",
    permitted: [],
    refusal: untrusted,
  },
  { what: "another CA with the right name", presents: "strange", mode: "name", refusal: untrusted },
  {
    what: "an ordinary certificate as CA",
    presents: "below",
    mode: "name",
    words: ["-cert_chain", "client"],
    refusal: untrusted,
  },
  { what: "an intermediate that is sent", presents: "below2", mode: "name", words: ["-cert_chain", "intermediate"] },
  { what: "an intermediate that is not sent", presents: "below2", mode: "name", refusal: untrusted },
  { what: "expired", presents: "expired", mode: "name", refusal: /peer\.lab .* expired on 2021-01-01/ },
  { what: "not yet valid", presents: "early", mode: "name", refusal: /peer\.lab .* valid from 2090-01-01/ },
  {
    what: "a server's certificate as client",
    presents: "serverOnly",
    mode: "name",
    peer: "client",
    refusal: untrusted,
  },
  {
    what: "a client's certificate as server",
    presents: "clientOnly",
    mode: "name",
    peer: "server",
    refusal: untrusted,
  },
  {
    what: "somebody else's certificate, without its key, TLS 1.3",
    presents: "good",
    mode: "name",
    key: "forged",
    words: ["-tls1_3"],
    refusal: /./,
  },
  {
    what: "somebody else's certificate, without its key, TLS 1.2",
    presents: "good",
    mode: "name",
    key: "forged",
    words: ["-tls1_2"],
    refusal: /./,
  },
  { what: "no certificate", presents: undefined, mode: "name", peer: "client", refusal: /presents no certificate/ },
  {
    what: "no certificate with certvalid",
    presents: undefined,
    mode: "certvalid",
    permitted: [],
    peer: "client",
    refusal: /presents no certificate/,
  },
  {
    what: "anonymous ciphers (librelp without authMode: accepted)",
    presents: "good",
    mode: "name",
    words: ["-cipher", "aNULL:@SECLEVEL=0", "-tls1_2"],
    refusal: /./,
  },
  { what: "TLS 1.1", presents: "good", mode: "name", words: ["-cipher", "ALL:@SECLEVEL=0", "-tls1_1"], refusal: /./ },
  {
    what: "TLS 1.2 where 1.3 is the least",
    presents: "good",
    mode: "name",
    words: ["-tls1_2"],
    minVersion: "TLSv1.3",
    refusal: /./,
  },
];

/** How a meeting ended: the names of who came in, or why one did not. */
type Outcome = { readonly names: string } | { readonly refusal: string };

async function optionsOf(row: Row, pki: Pki): Promise<TlsOptions> {
  const cert = pki.pair(row.presents ?? "good").cert;
  const fill = async (text: string): Promise<string> => {
    if (text === "sha1" || text === "sha256") return await pki.fingerprint(cert, text);
    return text === "plain" ? (await pki.fingerprint(cert)).replaceAll(/(?<=..:.*):/g, "").toLowerCase() : text;
  };
  return {
    ca: pki.ca,
    authMode: row.mode,
    permittedPeer: await Promise.all((row.permitted ?? [wanted]).map(fill)),
    ...(row.minVersion === undefined ? {} : { minVersion: row.minVersion }),
  };
}

function peerWords(row: Row, pki: Pki): string[] {
  const words = (row.words ?? []).map((word, i, all) => all[i - 1] === "-cert_chain" ? pki.pair(word).cert : word);
  if (row.presents === undefined) return words;
  const { cert, key } = pki.pair(row.presents);
  return ["-cert", cert, "-key", row.key === undefined ? key : join(pki.folder, row.key), ...words];
}

async function asClient(row: Row, pki: Pki): Promise<Outcome> {
  const port = freePort();
  const words = ["s_server", "-quiet", "-accept", `127.0.0.1:${port}`, ...peerWords(row, pki)];
  await using server = RunningProgram.start("openssl", words, { stdin: "piped" });
  await server.waitUntil(() => isListening(port), "s_server");
  try {
    const tls = await optionsOf(row, pki);
    const connection = await dial({ host: "127.0.0.1", port, tls, timeoutMs: 10_000 }, new AbortController().signal);
    connection.destroy();
    return { names: "" };
  } catch (error) {
    return { refusal: (error as Error).message };
  } finally {
    server.signal("SIGKILL");
  }
}

async function asServer(row: Row, pki: Pki): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  await using listener = await listen(
    { host: "127.0.0.1", port: 0, tls: { ...await optionsOf(row, pki), ...pki.server } },
    ({ connection, peerName }) => {
      connection.destroy();
      resolve({ names: peerName ?? "" });
    },
    (refusal) => resolve({ refusal }),
  );
  const words = ["s_client", "-quiet", "-connect", listener.address, "-CAfile", pki.ca, ...peerWords(row, pki)];
  await using client = RunningProgram.start("openssl", words, { stdin: "piped" });
  const gone = client.exited.then(async () => {
    await new Promise((later) => setTimeout(later, 3_000)); // the listener's word comes first, if there is one
    return { refusal: `nobody came: ${client.stderr}` };
  });
  const outcome = await Promise.race([promise, gone]);
  client.signal("SIGKILL");
  return outcome;
}

/** A key file that claims to be of `victim` and is another's: openssl believes the public part that stands in it. */
async function forgeKey(pki: Pki, victim: string, other: string): Promise<void> {
  const der = async (name: string): Promise<Uint8Array> => {
    const path = join(pki.folder, `${name}.der`);
    await runProgram("openssl", ["ec", "-in", pki.pair(name).key, "-outform", "DER", "-out", path]);
    return Deno.readFileSync(path);
  };
  const forged = await der(other);
  forged.set((await der(victim)).subarray(-65), forged.length - 65);
  const lines = forged.toBase64().match(/.{1,64}/g)!.join("\n");
  const label = "EC PRIVATE KEY";
  Deno.writeTextFileSync(join(pki.folder, "forged"), `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`);
}

for (const end of ["client", "server"] as const) {
  Deno.test({
    name: `our ${end} lets in whom the table says, and refuses everybody else with a reason`,
    ...needs("openssl"),
    fn: async (test) => {
      using pki = await Pki.make();
      for (const [name, options] of Object.entries(certificates)) await pki.issue(name, options);
      await forgeKey(pki, "good", "star");
      for (const row of rows.filter(({ peer }) => peer === undefined || peer !== end)) {
        await test.step(row.what, async () => {
          const outcome = await (end === "client" ? asClient(row, pki) : asServer(row, pki));
          if (row.refusal === undefined) ok("names" in outcome, JSON.stringify(outcome));
          else match("refusal" in outcome ? outcome.refusal : "came in", row.refusal);
          if (row.refusal !== undefined) ok("refusal" in outcome, "came in");
        });
      }
    },
  });
}

Deno.test({
  name: "listen() refuses to serve where clients are to be checked and no CA is named, or no certificate",
  ...needs("openssl"),
  fn: async () => {
    using pki = await Pki.make();
    const failure = async (tls: Partial<TlsOptions>): Promise<string> => {
      try {
        const options = { authMode: "name", permittedPeer: [], ...tls } as const;
        await using _ = await listen({ host: "127.0.0.1", port: 0, tls: options }, () => {}, () => {});
        return "it listens";
      } catch (error) {
        return (error as Error).message;
      }
    };
    match(await failure({ ...pki.server, permittedPeer: [wanted] }), /Cannot check clients/);
    match(await failure({ ...pki.server, authMode: "certvalid" }), /Cannot check clients/);
    match(await failure({ ca: pki.ca }), /no certificate is named/);
    strictEqual(await failure(pki.server), "it listens");
  },
});
