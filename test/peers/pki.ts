/**
 * Certificates for tests, made by `openssl` in a temporary folder: one CA, and below it a pair for each way to be right
 * or wrong. Keys are P-256, so that making them costs little.
 */
import { join } from "node:path";
import { runProgram } from "./process.ts";

/** Files of one identity. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** How a certificate is made. */
export interface CertificateOptions {
  /** Common name; none when undefined. */
  readonly commonName?: string;
  /** The whole subject in place of `/O=tests/CN=…`, as `openssl -subj` takes it. */
  readonly subject?: string;
  /** Pair that signs instead of the CA, whether it may or not. */
  readonly issuer?: string;
  /** `DNS:a.lab,IP:127.0.0.1`; none when undefined. */
  readonly alternatives?: string;
  /** Default `serverAuth,clientAuth`. */
  readonly usage?: string;
  /** `YYYYMMDDHHMMSSZ`; default: yesterday until in ten years. */
  readonly notBefore?: string;
  readonly notAfter?: string;
  /** Signed by itself instead of the CA. */
  readonly selfSigned?: boolean;
  /** X.509 version 1: without extensions. */
  readonly version1?: boolean;
  /** Signed by an intermediate CA, whose certificate follows in the file. */
  readonly intermediate?: boolean;
}

/** Name of the clients that tests make, as RELP configurations permit it. */
export const clientName = "relp-client.lab";
/** Name of the servers that tests make; their certificates are good for 127.0.0.1 and localhost too. */
export const serverName = "relp-server.lab";

/** A certificate authority in a folder of its own. Dispose it to remove all. */
export class Pki implements Disposable {
  readonly folder: string;
  #count = 0;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Makes the CA, the pair `server` and the pair `client`. */
  static async make(): Promise<Pki> {
    const pki = new Pki(Deno.makeTempDirSync({ prefix: "pki" }));
    await pki.#makeAuthority("ca", "test CA", undefined);
    await pki.#makeAuthority("intermediate", "test intermediate CA", "ca");
    await pki.#makeAuthority("stranger", "CA of strangers", undefined);
    await pki.issue("server", { commonName: serverName, alternatives: serverAlternatives });
    await pki.issue("client", { commonName: clientName, alternatives: `DNS:${clientName}` });
    return pki;
  }

  /** Certificate of the CA that signs. */
  get ca(): string {
    return join(this.folder, "ca.crt");
  }

  /** Certificate of a CA that signed nobody here. */
  get strangerCa(): string {
    return join(this.folder, "stranger.crt");
  }

  get server(): Pair {
    return this.pair("server");
  }

  get client(): Pair {
    return this.pair("client");
  }

  /** Files of what was issued under this name. */
  pair(name: string): Pair {
    return { cert: join(this.folder, `${name}.crt`), key: join(this.folder, `${name}.key`) };
  }

  /** Makes a pair. */
  async issue(name: string, options: CertificateOptions): Promise<Pair> {
    const pair = this.pair(name);
    const subject = options.subject ??
      (options.commonName === undefined ? "/O=tests" : `/O=tests/CN=${options.commonName}`);
    await this.#newKey(pair.key);
    const extensions = this.#file("ext", extensionsOf(options));
    if (options.selfSigned === true) {
      await this.#openssl("req", "-x509", "-new", "-key", pair.key, "-subj", subject, "-days", "3650", ...[
        "-out",
        pair.cert,
        "-config",
        this.#file("conf", `[req]\ndistinguished_name=dn\nx509_extensions=v3\n[dn]\n[v3]\n${extensionsOf(options)}`),
      ]);
      return pair;
    }
    const request = join(this.folder, `${name}.csr`);
    await this.#openssl("req", "-new", "-key", pair.key, "-subj", subject, "-out", request);
    if (options.version1 === true) await this.#signVersion1(request, pair.cert);
    else {await this.#sign(
        options.issuer ?? (options.intermediate === true ? "intermediate" : "ca"),
        request,
        pair.cert,
        options,
        extensions,
      );}
    if (options.intermediate === true) {
      appendFile(pair.cert, Deno.readTextFileSync(join(this.folder, "intermediate.crt")));
    }
    return pair;
  }

  /** `SHA1:AA:BB…`, as librelp wants fingerprints. */
  async fingerprint(cert: string, digest: "sha1" | "sha256" = "sha1"): Promise<string> {
    const { stdout } = await runProgram("openssl", ["x509", "-in", cert, "-noout", "-fingerprint", `-${digest}`]);
    return `${digest.toUpperCase()}:${stdout.trim().split("=")[1]}`;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }

  async #makeAuthority(name: string, commonName: string, issuer: string | undefined): Promise<void> {
    const { cert, key } = this.pair(name);
    await this.#newKey(key);
    const extensions = "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n" +
      "subjectKeyIdentifier=hash\n";
    const config = this.#file("conf", `[req]\ndistinguished_name=dn\nx509_extensions=v3\n[dn]\n[v3]\n${extensions}`);
    const subject = ["-subj", `/O=tests/CN=${commonName}`, "-config", config];
    if (issuer === undefined) {
      await this.#openssl("req", "-x509", "-new", "-key", key, "-days", "3650", "-out", cert, ...subject);
      return;
    }
    const request = join(this.folder, `${name}.csr`);
    await this.#openssl("req", "-new", "-key", key, "-out", request, ...subject);
    await this.#sign(issuer, request, cert, {}, this.#file("ext", extensions));
  }

  /** `openssl ca`, because only it takes both dates in every version. */
  async #sign(
    issuer: string,
    request: string,
    cert: string,
    options: CertificateOptions,
    extensions: string,
  ): Promise<void> {
    const authority = this.pair(issuer);
    const folder = join(this.folder, `db${this.#count++}`);
    Deno.mkdirSync(folder);
    Deno.writeTextFileSync(join(folder, "index"), "");
    Deno.writeTextFileSync(join(folder, "serial"), serialNumber());
    const config = this.#file(
      "conf",
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${join(folder, "index")}\nserial=${join(folder, "serial")}\n` +
        `new_certs_dir=${folder}\ndefault_md=sha256\npolicy=p\n[p]\norganizationName=optional\n` +
        `organizationalUnitName=optional\ncommonName=optional\n`,
    );
    const day = 86_400_000;
    await this.#openssl("ca", "-batch", "-notext", "-config", config, "-cert", authority.cert, ...[
      "-keyfile",
      authority.key,
      "-in",
      request,
      "-out",
      cert,
      "-startdate",
      options.notBefore ?? opensslDate(Date.now() - day),
      "-enddate",
      options.notAfter ?? opensslDate(Date.now() + 3650 * day),
      "-extfile",
      extensions,
    ]);
  }

  async #signVersion1(request: string, cert: string): Promise<void> {
    const { cert: ca, key } = this.pair("ca");
    await this.#openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", key, ...[
      "-set_serial",
      `0x${serialNumber()}`,
      "-days",
      "3650",
      "-out",
      cert,
    ]);
  }

  async #newKey(path: string): Promise<void> {
    await this.#openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path);
    Deno.chmodSync(path, 0o600);
  }

  async #openssl(...args: readonly string[]): Promise<void> {
    await runProgram("openssl", args);
  }

  #file(suffix: string, text: string): string {
    const path = join(this.folder, `${this.#count++}.${suffix}`);
    Deno.writeTextFileSync(path, text);
    return path;
  }
}

/** Expired, not yet valid, misnamed and so on: the ways in which a certificate is no good. */
export const wrongs = {
  expired: {
    commonName: clientName,
    alternatives: `DNS:${clientName}`,
    notBefore: "20200101000000Z",
    notAfter: "20210101000000Z",
  },
  misnamed: { commonName: "other.lab", alternatives: "DNS:other.lab" },
  selfSigned: { commonName: clientName, alternatives: `DNS:${clientName}`, selfSigned: true },
  version1: { commonName: clientName, version1: true },
} as const satisfies Record<string, CertificateOptions>;

function extensionsOf(options: CertificateOptions): string {
  const lines = [
    "basicConstraints=critical,CA:false",
    "keyUsage=critical,digitalSignature",
    `extendedKeyUsage=${options.usage ?? "serverAuth,clientAuth"}`,
  ];
  if (options.alternatives !== undefined) lines.push(`subjectAltName=${options.alternatives}`);
  return lines.join("\n") + "\n";
}

function appendFile(path: string, text: string): void {
  Deno.writeTextFileSync(path, text, { append: true });
}

function opensslDate(epochMs: number): string {
  return new Date(epochMs).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
}

function serialNumber(): string {
  return "10" + crypto.randomUUID().replaceAll("-", "").slice(0, 14).toUpperCase();
}

const serverAlternatives = `DNS:${serverName},DNS:localhost,IP:127.0.0.1`;
