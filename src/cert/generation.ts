/** One generation of a certificate store, read: what store.ts arranges on disk. */
import { join } from "node:path";
import { openLog } from "../system/log.ts";
import { equalBytes } from "../tls/der.ts";
import { type Certificate, decodeCertificates, titleOf } from "./certificate.ts";
import { publicKeyOf, readPrivateKey } from "./keys.ts";

/** What is known of a generation besides its files. */
export interface GenerationMeta {
  /** When it was installed, milliseconds since 1970. */
  readonly installedAtMs: number;
  /** Names that it was asked for with ({@linkcode Pending.names}); others mean that a new one must be asked for. */
  readonly names: string;
  /** Whether there was none before it. */
  readonly first: boolean;
}

/** A key, its certificate with intermediates, and the CA: PEM, and read. */
export interface Generation {
  readonly number: number;
  readonly folder: string;
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
  readonly leaf: Certificate;
  readonly intermediates: readonly Certificate[];
  readonly anchors: readonly Certificate[];
  readonly meta: GenerationMeta;
}

/** The generation in the folder `name` of a store; undefined for one that is damaged or was refused. Dates do not matter here: the clock may be wrong. */
export function readGeneration(dir: string, name: string): Generation | undefined {
  const folder = join(dir, name);
  try {
    if (statIfThere(join(folder, "refused")) !== undefined) return undefined;
    const [key, cert, ca] = ["key", "cert", "ca"].map((file) => Deno.readTextFileSync(join(folder, file))) as [
      string,
      string,
      string,
    ];
    const [leaf, ...intermediates] = decodeCertificates(cert);
    if (leaf === undefined || leaf.version !== 3 || !equalBytes(leaf.publicKey, publicKeyOf(readPrivateKey(key)))) {
      return undefined;
    }
    return {
      number: Number(name.slice(4)),
      folder,
      key,
      cert,
      ca,
      leaf,
      intermediates,
      anchors: decodeCertificates(ca),
      meta: readMeta(folder, leaf),
    };
  } catch (error) {
    log.debug(`"${folder}" cannot be used: ${(error as Error).message}`);
    return undefined;
  }
}

/** A damaged file of facts costs no certificate. */
function readMeta(folder: string, leaf: Certificate): GenerationMeta {
  try {
    const { installedAtMs, names, first } = JSON.parse(Deno.readTextFileSync(join(folder, "meta.json"))) as Partial<
      GenerationMeta
    >;
    return { installedAtMs: installedAtMs ?? leaf.notBeforeMs, names: names ?? "", first: first ?? false };
  } catch {
    log.warning(`"${join(folder, "meta.json")}" is damaged; certificate ${titleOf(leaf)} is used all the same`);
    return { installedAtMs: leaf.notBeforeMs, names: "", first: false };
  }
}

/** Facts of a path itself, not of what a link points to; undefined where there is nothing. */
export function statIfThere(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const log = openLog("cert");
