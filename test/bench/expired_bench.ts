/**
 * A certificate that expires under way: what `agent ship` uses meanwhile, and how long after its replacement on disk all
 * is delivered. rsyslog 8.2302 spins or stays down for ever in these cases (its issues 5423, 2534, 5318).
 */
import { join } from "node:path";
import { newRun, writeNumberedLines } from "../peers/numbered_lines.ts";
import { type Pair, Pki, wrongs } from "../peers/pki.ts";
import { startRelpServer } from "../peers/rsyslog.ts";
import { startShipper } from "../peers/shipper.ts";
import { machineLine, markdown, numbersOf, say } from "./table.ts";

/** Words: `--seconds N` to watch each case (30). */
export async function run(words: readonly string[]): Promise<void> {
  const { seconds } = numbersOf(words, { seconds: 30 });
  say(`${await machineLine()}\n\n`);
  const rows: string[][] = [];
  for (const whose of ["own", "server's"] as const) {
    for (const library of ["gnutls", "openssl"] as const) rows.push(await measure(whose, library, seconds));
  }
  say(markdown(["expired", "server", "CPU meanwhile", "memory MiB", "delivered after"], rows) + "\n");
}

async function measure(whose: "own" | "server's", library: "gnutls" | "openssl", seconds: number): Promise<string[]> {
  using pki = await Pki.make();
  await pki.issue("expired", wrongs.expired);
  const good = copyOf(pki, "client", "own");
  if (whose === "own") replace(good, pki.pair("expired"));
  const tls = { pki, library };
  await using server = await startRelpServer({ tls: whose === "own" ? tls : { ...tls, pair: "expired" } });
  const include = join(pki.folder, "in.log");
  writeNumberedLines(include, newRun(), 0, 50);
  await using shipper = startShipper({ include, port: server.port, tls: { pki, pair: "own" } });
  await shipper.program.waitForOutput(/is down/);
  const before = shipper.program.usage.cpuSeconds;
  await new Promise((resolve) => setTimeout(resolve, 1_000 * seconds));
  const { cpuSeconds, peakMiB } = shipper.program.usage;
  const replacedMs = performance.now();
  if (whose === "own") replace(good, pki.client);
  else {
    await server.kill(); // rsyslog takes a new certificate at its start alone
    server.options = { tls };
    await server.start();
  }
  await server.waitForLines(50);
  const tookMs = performance.now() - replacedMs;
  const share = `${(100 * (cpuSeconds - before) / seconds).toFixed(2)} %`;
  return [whose, library, share, peakMiB.toFixed(0), `${(tookMs / 1_000).toFixed(1)} s`];
}

function copyOf(pki: Pki, from: string, to: string): Pair {
  replace(pki.pair(to), pki.pair(from));
  return pki.pair(to);
}

function replace(pair: Pair, by: Pair): void {
  Deno.copyFileSync(by.key, pair.key);
  Deno.copyFileSync(by.cert, pair.cert);
}
