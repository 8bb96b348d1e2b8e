/** Who can reach a webhook, and what it demands of those that are elsewhere. */
import { openLog } from "../../system/log.ts";
import type { TlsOptions } from "../../tls/dial.ts";

/** Where to listen. */
export type WebhookAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** Whether only this machine can reach an address. */
export function isLocal(listen: WebhookAddress): boolean {
  return "path" in listen || /^(127(\.\d{1,3}){3}|::1|localhost)$/i.test(listen.host);
}

/** Sees to it that those who are elsewhere are asked who they are. @throws when nothing would ask them */
export function refuseStrangers(
  { id, listen, tls, tokenFile }: {
    readonly id: string;
    readonly listen: WebhookAddress;
    readonly tls?: TlsOptions;
    readonly tokenFile?: string;
  },
): void {
  if (isLocal(listen) || "path" in listen || tls?.ca !== undefined) return;
  if (tokenFile === undefined) {
    throw new Error(
      `Cannot listen on ${listen.host} for "${id}": anybody could push\n` +
        "Try: listen on 127.0.0.1, or set tls.ca (client certificates) or tokenFile",
    );
  }
  if (tls === undefined) log.warning(`${id} takes its token over a connection that others can read; set tls`);
}

const log = openLog("webhook");
