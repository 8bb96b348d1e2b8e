/**
 * A process that enrols or renews and kills itself (SIGKILL) at one file operation of the store: `KILL_AT` counts from 1, `TORN`
 * dies in the middle of the operation instead of before it. Run by test/cases/cert_kill_test.ts with DIR and the CA's folder.
 * The CA is asked in the same process: what is tried here is the store, not the network.
 */
import { join } from "node:path";
import { Authority } from "../../src/cert/authority/authority.ts";
import type { Certificate } from "../../src/cert/certificate.ts";
import { enrol, type EnrolmentOptions } from "../../src/cert/enrolment.ts";
import { usageOids } from "../../src/cert/extensions.ts";
import { parseName } from "../../src/cert/name.ts";
import type { EnrolmentProtocol } from "../../src/cert/protocol.ts";
import { decodeRequest } from "../../src/cert/request.ts";
import { CertificateStore } from "../../src/cert/store.ts";
import { diskFiles, type StoreFiles } from "../../src/cert/store_files.ts";

/** A CA without a network. */
export function localProtocol(authority: Authority): EnrolmentProtocol {
  return {
    id: "local",
    challengeInRequest: false,
    prepare: () => Promise.resolve({ anchors: [] }),
    submit: (der): Promise<readonly Certificate[]> => {
      const { subjectDer, publicKey } = decodeRequest(der);
      const [notBeforeMs, notAfterMs] = [Date.now() - 60_000, Date.now() + 86_400_000];
      const usages = [usageOids.clientAuth];
      return Promise.resolve([
        authority.issue({ subjectDer, publicKey, alternatives: [], usages, notBeforeMs, notAfterMs }),
      ]);
    },
  };
}

/** The enrolment that is tried. */
export function localEnrolment(authority: Authority): EnrolmentOptions {
  return {
    protocol: localProtocol(authority),
    url: new URL("https://localhost/"),
    ca: join(authority.dir, "ca.crt"),
    subject: parseName("CN=rotuer"),
    alternatives: [],
    reuseKey: false,
    challenge: () => undefined,
    timeoutMs: 1_000,
    seed: "rotuer",
  };
}

/** The file operations, until number `killAt`. */
function deadlyFiles(killAt: number, torn: boolean): StoreFiles {
  let count = 0;
  const die = (): never => {
    Deno.kill(Deno.pid, "SIGKILL");
    for (;;); // the signal comes at once; nothing may happen in between
  };
  const guarded =
    <A extends readonly unknown[]>(run: (...args: A) => void, half?: (...args: A) => void) => (...args: A): void => {
      count++;
      if (count === killAt) {
        if (torn) half?.(...args);
        die();
      }
      run(...args);
    };
  return {
    makeFolder: guarded(diskFiles.makeFolder),
    writeNew: guarded(
      diskFiles.writeNew,
      (path: string, text: string, mode: number) => diskFiles.writeNew(path, text.slice(0, text.length / 2), mode),
    ),
    rename: guarded(diskFiles.rename, (from: string, to: string) => Deno.renameSync(from, to)),
    link: guarded(diskFiles.link),
    remove: guarded(diskFiles.remove, removeOneFile),
    syncFolder: guarded(diskFiles.syncFolder),
  };
}

/** A removal that gets as far as one file. */
function removeOneFile(path: string): void {
  try {
    for (const { name } of Deno.readDirSync(path)) return Deno.removeSync(join(path, name));
  } catch {
    // Not a folder, or not there: then there is no middle of its removal.
  }
}

if (import.meta.main) {
  const [dir, caDir, killAt, torn] = Deno.args;
  const store = new CertificateStore(dir!, deadlyFiles(Number(killAt), torn === "torn"));
  await enrol(store, localEnrolment(Authority.open(caDir!)), true, new AbortController().signal);
}
