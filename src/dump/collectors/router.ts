/** Routers: OpenWrt, VyOS and Liminix keep their configuration and their states in places of their own. */
import type { Artifact, Collector } from "../collector.ts";
import { collector, commandArtifacts, fileArtifacts } from "./define.ts";
import { namesIn } from "./files.ts";

/** Configuration and states of a router. */
export const routerCollector: Collector = collector({
  id: "router/settings",
  summary: "OpenWrt, VyOS, Liminix: configuration, states of interfaces, wireless, leases",
  optional: true,
  timeoutMs: 20_000,
  skips: (machine) => machine.kinds.has("router") ? undefined : "not a router",
  plan: () => [
    "read /etc/config/*, /config/config.boot, /tmp/dhcp.leases, /run/services/outputs/**",
    ...commands.map(({ program, args }) => `run ${program} ${args.join(" ")}`),
  ],
  async *collect(context): AsyncIterable<Artifact> {
    const uci = await namesIn(context, "/etc/config", 200);
    yield* fileArtifacts(context, [
      ...uci.map((name) => ({ from: `/etc/config/${name}`, to: `router/config/${name}` })),
      { from: "/config/config.boot", to: "router/config.boot" },
      { from: "/tmp/dhcp.leases", to: "router/dhcp.leases" },
      { from: "/tmp/sysinfo/model", to: "router/model" },
    ]);
    // Liminix: a service tells others its outputs in files.
    for (const service of await namesIn(context, "/run/services/outputs", 200)) {
      const folder = `/run/services/outputs/${service}`;
      const names = await namesIn(context, folder, 100);
      yield* fileArtifacts(
        context,
        names.map((name) => ({ from: `${folder}/${name}`, to: `router/outputs/${service}/${name}`, maxBytes: 65_536 })),
      );
    }
    yield* commandArtifacts(context, commands);
  },
});

const timeoutMs = 5_000;
const commands = [
  { program: "ubus", args: ["call", "system", "board"], to: "router/board.json", kind: "json" as const, timeoutMs },
  { program: "ubus", args: ["call", "system", "info"], to: "router/info.json", kind: "json" as const, timeoutMs },
  { program: "ifstatus", args: ["wan"], to: "router/wan.json", kind: "json" as const, timeoutMs },
  { program: "iwinfo", args: [], to: "router/iwinfo.txt", timeoutMs },
  { program: "wifi", args: ["status"], to: "router/wifi.json", kind: "json" as const, timeoutMs },
];
