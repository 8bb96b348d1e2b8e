/**
 * What the signing service answers, as a `hono` application without sockets: certifix (`POST /sign`), EST (RFC 7030) with and
 * without a label, the CA's certificate and its revocation list. Every refusal is logged with its reason.
 */
import { type Context as HonoContext, Hono } from "hono";
import { join } from "node:path";
import { openLog } from "../../system/log.ts";
import { readTextIfThere } from "../../system/atomic_file.ts";
import { type Certificate, encodeCertificates, titleOf } from "../certificate.ts";
import { decodeAnyForm, encodeBase64Lines } from "../pem.ts";
import { encodeCertsOnly } from "../pkcs7.ts";
import { Refusal } from "./policy.ts";
import type { RateLimit } from "./rate_limit.ts";
import type { Claim, Signer } from "./signer.ts";

/** What the server knows of whoever asks. */
export interface Caller {
  readonly address: string;
  readonly peer?: Certificate;
}

/** The application as the server takes it. */
export type Application = Hono<{ Bindings: Caller }>;
type Context = HonoContext<{ Bindings: Caller }>;

/** The application. Bodies must have been limited in size by the server. */
export function signingApp(signer: Signer, rateLimit: RateLimit, now: () => number = Date.now): Application {
  const app: Application = new Hono();
  app.use(async (context, next) => {
    const waitMs = rateLimit.take(context.env.address, now());
    if (waitMs === undefined) return await next();
    context.header("Retry-After", String(Math.ceil(waitMs / 1_000)));
    return context.text("too many requests\n", 429);
  });
  app.get(
    "/ca.crt",
    (context) => context.text(signer.authority.pem, 200, { "Content-Type": "application/x-pem-file" }),
  );
  app.get("/ca.crl", (context) => revocationList(context, signer));
  app.post("/sign", (context) => certifix(context, signer));
  for (const base of ["/.well-known/est", "/.well-known/est/:label"]) {
    app.get(`${base}/cacerts`, () => pkcs7(signer.authority.chain, ""));
    app.get(`${base}/csrattrs`, (context) => context.body(null, 204));
    app.post(`${base}/simpleenroll`, (context) => est(context, signer, false));
    app.post(`${base}/simplereenroll`, (context) => est(context, signer, true));
  }
  app.all("/sign", (context) => context.text("POST a request here\n", 405, { Allow: "POST" }));
  app.notFound((context) => context.text("there is nothing here\n", 404));
  app.onError((error, context) => {
    const { address } = context.env;
    if (error instanceof Refusal) {
      log.warning(`refused ${address} (${error.status}): ${error.message}`);
      rateLimit.punish(address, refusalCost, now());
      const basic = error.status === 401 ? { "WWW-Authenticate": 'Basic realm="est"' } : {};
      return context.text(`${error.message}\n`, error.status, basic);
    }
    log.error(`Cannot answer ${address}: ${error.message}`);
    return context.text("the signing service has trouble of its own\n", 503, { "Retry-After": "60" });
  });
  return app;
}

async function certifix(context: Context, signer: Signer): Promise<Response> {
  requireType(context, "application/x-pem-file", "application/pkcs10");
  const certificate = await signed(context, signer, { protocol: "certifix" });
  return context.text(encodeCertificates([certificate]), 200, { "Content-Type": "application/x-pem-file" });
}

async function est(context: Context, signer: Signer, renewalOnly: boolean): Promise<Response> {
  requireType(context, "application/pkcs10");
  const challenge = basicSecret(context.req.header("Authorization"));
  const certificate = await signed(context, signer, {
    protocol: "est",
    renewalOnly,
    challenge: challenge ?? "", // in EST the attribute in the request means something else
  });
  return pkcs7([certificate], "; smime-type=certs-only");
}

async function signed(context: Context, signer: Signer, claim: Omit<Claim, "address" | "peer">): Promise<Certificate> {
  const { address, peer } = context.env;
  const body = new Uint8Array(await context.req.arrayBuffer());
  let der: Uint8Array;
  try {
    der = decodeAnyForm(body, "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
  } catch (error) {
    throw new Refusal(400, `not a certificate request: ${(error as Error).message}`);
  }
  const certificate = signer.sign(der, { ...claim, address, ...(peer === undefined ? {} : { peer }) });
  log.info(`issued ${titleOf(certificate)} to ${address}`);
  return certificate;
}

function pkcs7(certificates: readonly Certificate[], parameters: string): Response {
  return new Response(encodeBase64Lines(encodeCertsOnly(certificates.map(({ raw }) => raw))), {
    headers: { "Content-Type": `application/pkcs7-mime${parameters}`, "Content-Transfer-Encoding": "base64" },
  });
}

function revocationList(context: Context, signer: Signer): Response | Promise<Response> {
  const list = readTextIfThere(join(signer.authority.dir, "ca.crl"));
  return list === undefined
    ? context.notFound()
    : context.text(list, 200, { "Content-Type": "application/x-pem-file" });
}

function requireType(context: Context, ...types: readonly string[]): void {
  const given = (context.req.header("Content-Type") ?? "none").split(";")[0]!.trim().toLowerCase();
  if (!types.includes(given)) {
    throw new Refusal(415, `the content type is "${given}", and must be ${types.join(" or ")}`);
  }
}

/** The password of HTTP Basic; the user name is not looked at, the request names the device. */
function basicSecret(header: string | undefined): string | undefined {
  const encoded = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(header ?? "")?.[1];
  if (encoded === undefined) return undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.fromBase64(encoded));
    return text.slice(text.indexOf(":") + 1);
  } catch {
    throw new Refusal(401, "the password cannot be read");
  }
}

const log = openLog("sign");
/** Requests that a refused one counts for, besides itself. */
const refusalCost = 2;
