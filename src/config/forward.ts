/** The keys of the `forward` source. */
import { z } from "zod";
import { parseForwardAddress } from "./address.ts";
import type { ForwardSourceConfig } from "./config.ts";
import { forwardDefaults } from "./defaults.ts";
import { connectionsKey, priorityOf, recordKeys } from "./source_keys.ts";
import { serverTlsSchema } from "./tls.ts";
import { duration, durationText, given, parsedText, size, sizeText, text } from "./values.ts";

const kib = 1024;

/** `type: forward`. */
export const forwardSchema: z.ZodType<ForwardSourceConfig, unknown> = z.strictObject({
  type: z.literal("forward").meta({
    description: "Fluentd's and Fluent Bit's forward protocol, acknowledged when the spool has it.",
  }),
  listen: parsedText(parseForwardAddress, { about: "host:port or unix:PATH.", example: "0.0.0.0:24224" }),
  sharedKeyFile: text({
    about: "File (mode 0600) with the shared keys of clients (shared_key), one per line.",
    example: "/etc/agent/forward.key",
  }).exactOptional(),
  tls: serverTlsSchema.exactOptional(),
  maxMessage: size(64 * kib, 256 * kib * kib, {
    about: "Longest message (a chunk of the client's buffer), before and after it is unpacked.",
  }).prefault(sizeText(forwardDefaults.maxMessageBytes)),
  maxConnections: connectionsKey,
  idleTimeout: duration(0, 86_400_000, { about: "Silence that ends a connection; 0s never." })
    .prefault(durationText(forwardDefaults.idleTimeoutMs)),
  ...recordKeys,
}).transform((keys): ForwardSourceConfig => {
  const { type, listen, sharedKeyFile, tls, maxConnections, program } = keys;
  return {
    type,
    listen,
    maxMessageBytes: keys.maxMessage,
    maxConnections,
    idleTimeoutMs: keys.idleTimeout,
    priority: priorityOf(keys),
    ...given({ sharedKeyFile, tls, program }),
  };
});
