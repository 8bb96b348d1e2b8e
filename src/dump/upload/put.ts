/** HTTP PUT of the whole file (presigned S3 and GCS, WebDAV, the bucket of k3s's script). */
import { exchange, readText } from "../http.ts";
import { asBroken, BrokenUpload, errorOfAnswer, readRange, RefusedUpload, type UploadContext } from "./attempt.ts";

/** Sends one file, by one try after the other. */
export class PutUpload {
  #url: URL;
  /** S3: an object that is there must not be replaced. Other servers may not know it. */
  #onlyNew = true;
  /** A try whose body went out whole may have arrived although its answer did not. */
  #mayHaveArrived = false;

  constructor(url: URL) {
    this.#url = url;
  }

  /** One try. @throws {RefusedUpload} or {BrokenUpload} */
  async attempt(context: UploadContext): Promise<void> {
    for (let redirects = 0;;) {
      const answer = await this.#put(context);
      if (answer === "again" && redirects++ < maxRedirects) continue;
      if (answer === "done") return;
      throw new RefusedUpload("the server sends us from one address to the next");
    }
  }

  async #put(context: UploadContext): Promise<"done" | "again"> {
    const { path, sizeBytes, headers, tls, stallMs, signal } = context;
    let sent = 0;
    context.onProgress(0);
    const answer = await exchange({
      method: "PUT",
      url: this.#url,
      headers: {
        "Content-Type": "application/octet-stream",
        ...(this.#onlyNew ? { "If-None-Match": "*" } : {}),
        ...headers,
      },
      body: {
        sizeBytes,
        content: readRange(path, 0, sizeBytes),
        onSent: (bytes) => context.onProgress(sent += bytes),
      },
      ...(tls === undefined ? {} : { tls }),
      stallMs,
      signal,
    }).catch((error) => {
      this.#mayHaveArrived ||= sent === sizeBytes;
      throw asBroken(error);
    });
    const { status } = answer;
    if (status >= 200 && status < 300) {
      await readText(answer).catch(() => ""); // the head has said it
      if (!answer.sentAll) throw new BrokenUpload("the server answered before it had the file");
      return "done";
    }
    if (status === 307 || status === 308) return this.#redirect(answer.headers.get("location"), context, answer.cancel);
    if (status === 412 && this.#mayHaveArrived) {
      answer.cancel();
      context.note("the server has the file already, of the try whose answer was lost");
      return "done";
    }
    if (this.#onlyNew && (status === 501 || status === 400)) {
      answer.cancel();
      this.#onlyNew = false;
      return "again";
    }
    this.#mayHaveArrived ||= status >= 500 && answer.sentAll;
    throw await errorOfAnswer(answer);
  }

  #redirect(location: string | undefined, context: UploadContext, cancel: () => void): "again" {
    cancel();
    const next = location !== undefined && URL.canParse(location, this.#url.href)
      ? new URL(location, this.#url)
      : undefined;
    const secretsLeave = next?.origin !== this.#url.origin && Object.keys(context.headers).length > 0;
    if (next === undefined || next.protocol !== this.#url.protocol || secretsLeave) {
      throw new RefusedUpload("the server sends us to another address, which is not trusted with this");
    }
    this.#url = next;
    return "again";
  }
}

const maxRedirects = 4;
