/**
 * Signing services that share no code with the agent: Python's HTTP server and the openssl program. As certifix it does
 * what is known of the original (checks the request's signature and challenge, signs for TLS clients), ends TLS
 * without a farewell as that does, and answers 200 · 400 bad request · 403 wrong password · 404 other path. As EST it asks for a
 * key on P-384 (`csrattrs`), lets the first request wait (202, Retry-After), and wants the very same one again.
 */
import { join } from "node:path";
import type { Pki } from "./pki.ts";
import { RunningProgram } from "./process.ts";

/** How the service behaves. */
export interface CertifixOptions {
  readonly pki: Pki;
  readonly challenge: string;
  /** Life of the certificates, seconds; default a day. */
  readonly lifetimeSeconds?: number;
  /** How it goes wrong: answers another device's certificate, rubbish, half a certificate, 503, or never. */
  readonly fault?: "stranger" | "rubbish" | "half" | "busy" | "mute";
}

/** A running service. Dispose it to end it and to remove its folder. */
export class Certifix implements AsyncDisposable {
  readonly program: RunningProgram;
  readonly url: string;
  /** Where it speaks EST. */
  readonly estUrl: string;
  readonly #folder: string;

  private constructor(program: RunningProgram, port: string, folder: string) {
    this.program = program;
    this.url = `https://localhost:${port}/sign`;
    this.estUrl = `https://localhost:${port}`;
    this.#folder = folder;
  }

  /** Starts it on a free port and waits until it listens. */
  static async start(options: CertifixOptions): Promise<Certifix> {
    const folder = Deno.makeTempDirSync({ prefix: "certifix" });
    Deno.writeTextFileSync(join(folder, "service.py"), script);
    const { pki, challenge, lifetimeSeconds = 86_400, fault = "" } = options;
    const program = RunningProgram.start("python3", [join(folder, "service.py"), folder], {
      name: "certifix",
      env: {
        CA: pki.ca,
        CA_KEY: join(pki.folder, "ca.key"),
        CERT: pki.server.cert,
        KEY: pki.server.key,
        OTHER: pki.client.cert,
        CHALLENGE: challenge,
        LIFETIME: String(lifetimeSeconds),
        FAULT: fault,
      },
    });
    const [, port] = await program.waitForOutput(/listening on (\d+)/);
    return new Certifix(program, port!, folder);
  }

  /** Requests that were answered with a certificate. */
  get issued(): number {
    return this.program.stdout.split("issued").length - 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program[Symbol.asyncDispose]();
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

const script = `
import base64, datetime, http.server, os, ssl, subprocess, sys, threading, time
folder, lock = sys.argv[1], threading.Lock()
env = os.environ

def openssl(*args, stdin=None):
    return subprocess.run(["openssl", *args], input=stdin, capture_output=True)

def challenge_of(csr):
    # asn1parse shows the attribute's value on the third line after its name, whatever its string type
    lines = openssl("asn1parse", stdin=csr).stdout.decode("utf-8", "replace").splitlines()
    for i, line in enumerate(lines):
        if "challengePassword" in line:
            return lines[i + 2].split(":", 3)[3]
    return None

def sign(csr):
    with lock:
        path = lambda name: os.path.join(folder, name)
        open(path("csr"), "wb").write(csr)
        text = openssl("req", "-in", path("csr"), "-noout", "-text").stdout.decode()
        san = [line.strip() for line in text.splitlines() if "DNS:" in line]
        open(path("ext"), "w").write(
            "basicConstraints=critical,CA:FALSE\\nkeyUsage=critical,digitalSignature\\nextendedKeyUsage=clientAuth\\n"
            "subjectKeyIdentifier=hash\\nauthorityKeyIdentifier=keyid\\n"
            + ("subjectAltName=" + san[0] + "\\n" if san else ""))
        open(path("index"), "w").close()
        open(path("serial"), "w").write(os.urandom(8).hex().replace("0", "1"))
        open(path("conf"), "w").write(
            "[ca]\\ndefault_ca=d\\n[d]\\ndatabase=%s\\nserial=%s\\nnew_certs_dir=%s\\ndefault_md=sha256\\npolicy=p\\npreserve=yes\\n"
            "[p]\\ncountryName=optional\\nstateOrProvinceName=optional\\norganizationName=optional\\n"
            "organizationalUnitName=optional\\ncommonName=supplied\\n" % (path("index"), path("serial"), folder))
        utc = datetime.datetime.now(datetime.timezone.utc)
        date = lambda seconds: (utc + datetime.timedelta(seconds=seconds)).strftime("%Y%m%d%H%M%SZ")
        done = openssl("ca", "-batch", "-notext", "-config", path("conf"), "-cert", env["CA"], "-keyfile", env["CA_KEY"],
                       "-in", path("csr"), "-out", path("crt"), "-extfile", path("ext"), "-preserveDN",
                       "-startdate", date(-5), "-enddate", date(int(env["LIFETIME"])))
        if done.returncode != 0:
            sys.stderr.write(done.stderr.decode())
            return None
        return open(path("crt"), "rb").read()

waiting = set()

class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def base64(self, der):
        self.send_response(200)
        body = base64.encodebytes(der)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        if self.path == "/.well-known/est/cacerts":
            self.base64(openssl("crl2pkcs7", "-nocrl", "-certfile", env["CA"], "-outform", "DER").stdout)
        elif self.path == "/.well-known/est/csrattrs":  # SEQUENCE { SEQUENCE { id-ecPublicKey, SET { secp384r1 } } }
            self.base64(bytes.fromhex("30143012" + "06072a8648ce3d0201" + "3107" + "06052b81040022"))
        else: self.answer(404, b"")
    def est(self, body):
        word = base64.b64encode(("rotuer:" + env["CHALLENGE"]).encode()).decode()
        if self.headers["authorization"] != "Basic " + word: return self.answer(401, b"who are you\\n")
        if body not in waiting:
            waiting.add(body)
            self.send_response(202)
            self.send_header("retry-after", "1")
            self.end_headers()
            return
        pem = openssl("req", "-inform", "DER", stdin=base64.b64decode(body)).stdout
        text = openssl("req", "-noout", "-verify", "-text", stdin=pem)
        if text.returncode != 0 or b"secp384r1" not in text.stdout: return self.answer(400, b"not as asked for\\n")
        certificate = sign(pem)
        print("issued", flush=True)
        self.base64(openssl("crl2pkcs7", "-nocrl", "-certfile", os.path.join(folder, "crt"), "-outform", "DER").stdout)
    def answer(self, status, body):
        self.send_response(status)
        self.end_headers()  # no length: the end of the connection ends the body
        self.wfile.write(body)
    def do_POST(self):
        csr = self.rfile.read(int(self.headers["content-length"]))
        fault = env["FAULT"]
        if fault == "mute": time.sleep(3600)
        if self.path == "/.well-known/est/simpleenroll": return self.est(csr)
        if self.path != "/sign": return self.answer(404, b"no such path\\n")
        if fault == "busy": return self.answer(503, b"busy\\n")
        if self.headers["content-type"] != "application/x-pem-file": return self.answer(400, b"wrong content type\\n")
        if openssl("req", "-verify", "-noout", stdin=csr).returncode != 0: return self.answer(400, b"bad request\\n")
        if challenge_of(csr) != env["CHALLENGE"]: return self.answer(403, b"wrong password\\n")
        if fault == "rubbish": return self.answer(200, b"<html>hello</html>")
        if fault == "stranger": return self.answer(200, open(env["OTHER"], "rb").read())
        certificate = sign(csr)
        if certificate is None: return self.answer(500, b"cannot sign\\n")
        if fault == "half": return self.answer(200, certificate[:len(certificate) // 2])
        print("issued", flush=True)
        self.answer(200, certificate)

class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    def shutdown_request(self, request):
        self.close_request(request)  # without close_notify

server = Server(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(env["CERT"], env["KEY"])
server.socket = context.wrap_socket(server.socket, server_side=True)
print("listening on", server.server_address[1], flush=True)
server.serve_forever()
`;
