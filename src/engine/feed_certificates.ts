/** Ends of certificates, looked at once a minute at the most, and only when somebody asks. */
import type { AgentConfig } from "../config/config.ts";
import type { CertificateState } from "../status/state.ts";
import { errorText } from "../pipeline/errors.ts";
import { readCertificateEnd } from "../tls/credentials.ts";

/** What is known of certificates; the code that reads the machine's own is loaded only where there is one to keep. */
export class CertificateWatch {
  readonly #ends = new Map<string, { readonly readMs: number; readonly endMs: number | undefined }>();
  #read: ((nowMs: number) => CertificateState) | undefined;
  #own: { readonly readMs: number; readonly state: CertificateState } | undefined;

  /** From now on the machine's own certificate is that of `config`. */
  watch({ certificate, status }: AgentConfig): void {
    this.#read = undefined;
    this.#own = undefined;
    this.#ends.clear();
    if (certificate === undefined || status === undefined) return;
    const load = async (): Promise<void> => {
      const { readStatus } = await import("../cert/status.ts");
      const { CertificateStore } = await import("../cert/store.ts");
      const store = new CertificateStore(certificate.folder);
      this.#read = (nowMs) => stateOf(readStatus(store, nowMs), certificate.subject);
    };
    load().catch(() => {}); // a missing piece of the program: then there is nothing to tell of
  }

  /** The machine's own certificate; undefined where the agent does not keep one. */
  own(nowMs: number): CertificateState | undefined {
    if (this.#read === undefined) return undefined;
    if (this.#own !== undefined && Math.abs(nowMs - this.#own.readMs) < againAfter(this.#own.state.ok)) {
      return this.#own.state;
    }
    let state: CertificateState;
    try {
      state = this.#read(nowMs);
    } catch (error) {
      state = { subject: "", notBeforeMs: 0, notAfterMs: 0, renewalMs: 0, ok: false, problem: errorText(error) };
    }
    this.#own = { readMs: nowMs, state };
    return state;
  }

  /** End of the certificate in a file; undefined where none can be read. */
  endOf(path: string, nowMs: number): number | undefined {
    const known = this.#ends.get(path);
    if (known !== undefined && Math.abs(nowMs - known.readMs) < againAfter(known.endMs !== undefined)) {
      return known.endMs;
    }
    const endMs = readCertificateEnd(path);
    this.#ends.set(path, { readMs: nowMs, endMs });
    return endMs;
  }
}

type Status = ReturnType<typeof import("../cert/status.ts").readStatus>;

function stateOf(status: Status, subject: string): CertificateState {
  if (!status.present) {
    const problem = status.requestPending ? "there is none yet; a request is on its way" : "there is none yet";
    return { subject, notBeforeMs: 0, notAfterMs: 0, renewalMs: 0, ok: false, problem };
  }
  const problem = status.ok ? undefined : status.chain === "ok" ? "its time is over or to come" : status.chain;
  return {
    subject: status.subject,
    notBeforeMs: Date.parse(status.notBefore),
    notAfterMs: Date.parse(status.notAfter),
    renewalMs: Date.parse(status.renewalDue),
    ok: status.ok,
    ...(problem === undefined ? {} : { problem }),
  };
}

const againMs = 60_000;
/** What is missing or not usable is put right at any moment: a page must not tell of it for a minute more. */
const soonMs = 2_000;

function againAfter(usable: boolean): number {
  return usable ? againMs : soonMs;
}
