/** PEM, the text form of certificates, requests and keys (RFC 7468), and bare base64 as EST sends it. */

/** One block, lines of 64 characters, with a line feed at its end. */
export function encodePem(label: string, der: Uint8Array): string {
  return `-----BEGIN ${label}-----\n${wrap(der.toBase64(), 64)}-----END ${label}-----\n`;
}

/** The blocks with one of these labels, in order; text around them is passed over, as in `openssl x509 -text`. */
export function decodePem(text: string, ...labels: readonly string[]): readonly Uint8Array[] {
  const blocks: Uint8Array[] = [];
  for (const [, label, body] of text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g)) {
    if (labels.includes(label!)) blocks.push(decodeBase64(body!));
  }
  return blocks;
}

/** Base64 in lines of 76 characters, as in MIME. */
export function encodeBase64Lines(der: Uint8Array): string {
  return wrap(der.toBase64(), 76);
}

/** Octets of base64 with any white space in it. @throws on other characters */
export function decodeBase64(text: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(text.replaceAll(/\s+/g, ""));
  } catch (error) {
    throw new Error("not base64", { cause: error });
  }
}

/**
 * The DER in what a peer sent: PEM with one of `labels`, bare base64 or DER itself.
 * @throws when it is none of them
 */
export function decodeAnyForm(body: Uint8Array, ...labels: readonly string[]): Uint8Array {
  if (body[0] === 0x30) return body; // base64 of DER begins with "M"
  const text = new TextDecoder().decode(body);
  if (!text.includes("-----BEGIN ")) return decodeBase64(text);
  const block = decodePem(text, ...labels)[0];
  if (block === undefined) throw new Error(`no PEM block "${labels[0]}"`);
  return block;
}

function wrap(text: string, width: number): string {
  return (text.match(new RegExp(`.{1,${width}}`, "g")) ?? []).map((line) => line + "\n").join("");
}
