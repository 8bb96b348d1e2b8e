/** Certificates in the usual places, each as one line: who, by whom, until when. Only the public part is ever read. */
import { X509Certificate } from "node:crypto";
import type { Artifact, Collector, DumpContext } from "../collector.ts";
import { collector, textArtifact } from "./define.ts";
import { abortable, namesIn, readTextOr } from "./files.ts";

/** Certificates. @param folders more folders to look in, one level deep */
export function certificatesCollector(folders: readonly string[]): Collector {
  const places = [...folders, ...usualFolders];
  return collector({
    id: "system/certificates",
    summary: "certificates of services and of the cluster: subject, issuer, how long they hold",
    optional: true,
    plan: () => places.map((place) => `read certificates in ${place}`),
    async *collect(context): AsyncIterable<Artifact> {
      const lines: string[] = [];
      for (const place of places) await visit(context, place, place.includes("letsencrypt") ? 1 : 2, lines);
      if (lines.length > 0) yield textArtifact("system/certificates.txt", places.join(" "), lines.join(""));
    },
  });
}

const usualFolders = [
  "/etc/kubernetes/pki",
  "/var/lib/kubelet/pki",
  "/var/lib/rancher/k3s/server/tls",
  "/var/lib/rancher/k3s/agent",
  "/etc/letsencrypt/live",
  "/etc/nginx/ssl",
  "/etc/ssl/private",
  "/etc/uhttpd.crt",
  "/etc/ssl/agent",
];

async function visit(context: DumpContext, folder: string, depth: number, lines: string[]): Promise<void> {
  for (const name of await namesIn(context, folder, 500)) {
    if (lines.length >= 2_000) return;
    const path = `${folder}/${name}`;
    const info = await abortable(Deno.stat(context.machine.locate(path)).catch(() => undefined), context.signal);
    if (info?.isDirectory === true && depth > 0) await visit(context, path, depth - 1, lines);
    // A file of a key may hold its certificate too: what is shown is the certificate.
    else if (info?.isFile === true && /\.(crt|cert|pem|cer)$|^(cert|ca)$/.test(name)) {
      const text = await readTextOr(context.machine.locate(path), context.signal, 262_144);
      lines.push(...certificateLines(path, text ?? ""));
    }
  }
}

/** `path: from=… until=… subject=… issuer=…` per certificate of a PEM text; the first 20 of a bundle. */
export function certificateLines(path: string, pem: string): readonly string[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.slice(0, 20).flatMap((block) => {
    try {
      const { validFrom, validTo, subject, issuer } = new X509Certificate(block);
      const one = (text: string): string => text.replaceAll("\n", ", ");
      const iso = (text: string): string => new Date(text).toISOString();
      return [
        `${path}: from=${iso(validFrom)} until=${iso(validTo)} subject="${one(subject)}" issuer="${one(issuer)}"\n`,
      ];
    } catch {
      return [`${path}: a certificate that cannot be read\n`];
    }
  });
}
