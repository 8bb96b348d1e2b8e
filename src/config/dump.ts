/** The key `dump`: what `agent dump` gathers and how, where nobody is there to type it. */
import { z } from "zod";
import type { DumpConfig } from "./config.ts";
import { choice, count, described, duration, given, list, size, text } from "./values.ts";

const minute = 60_000;

/** The keys below `dump`, as read. */
export const dumpSchema = z.strictObject({
  profile: choice(["speed", "complete", "size"], { about: "Meant to be quick, whole or small." }).prefault("complete"),
  deadline: duration(1_000, 24 * 60 * minute, {
    about: "For the whole dump; default: by profile.",
    example: "5m",
  }).exactOptional(),
  jobs: count(1, 64, { about: "Collectors at a time." }).prefault(4),
  folder: text({ about: "Where dumps are written; default: the current folder.", example: "/var/tmp" }).exactOptional(),
  maxSize: size(64 * 1024, 1024 ** 4, { about: "Size of the file at the most.", example: "50MiB" }).exactOptional(),
  recipients: list(z.string().min(1), {
    about: "age public keys of those who may open it; without them it is not encrypted.",
    example: ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"],
  }).exactOptional(),
  upload: text({ about: "Where --upload without a word sends it.", example: "https://support.example.net/upload/" })
    .exactOptional(),
  commands: z.record(z.string().regex(/^[A-Za-z0-9._-]{1,60}$/), z.array(z.string()).min(1)).meta(described({
    about: "Own commands by name, each a list of words; no shell.",
    example: { modem: ["mmcli", "-m", "0"] },
  })).exactOptional(),
  files: list(z.string().min(1), { about: "More files, as path patterns.", example: ["/etc/myapp/*.conf"] })
    .exactOptional(),
  processes: list(z.string().min(1), { about: "Processes to look at closely, by name.", example: ["myapp"] })
    .exactOptional(),
  metrics: list(z.string().min(1), {
    about: "Metrics pages to read, http:// on this machine.",
    example: ["http://127.0.0.1:9100/metrics"],
  }).exactOptional(),
  words: list(z.string().min(1), { about: "More words to replace.", example: ["customer-name"] }).exactOptional(),
  patterns: list(z.string().min(1), {
    about: "More secrets to mask, as regular expressions; of one with a group, the group goes.",
    example: ["licence=([A-Z0-9-]+)"],
  }).exactOptional(),
  pseudonymKey: text({
    about: "File with the key of replacement names, so that they are the same in each dump.",
    example: "/etc/agent/pseudonym.key",
  }).exactOptional(),
  precache: duration(minute, 24 * 60 * minute, {
    about: "How often ship keeps what quick collectors find, for a dump on a dying machine; default: never.",
    example: "10m",
  }).exactOptional(),
}).transform((keys): DumpConfig => ({
  profile: keys.profile,
  jobs: keys.jobs,
  recipients: keys.recipients ?? [],
  commands: keys.commands ?? {},
  files: keys.files ?? [],
  processes: keys.processes ?? [],
  metrics: keys.metrics ?? [],
  words: keys.words ?? [],
  patterns: keys.patterns ?? [],
  ...given({
    deadlineMs: keys.deadline,
    folder: keys.folder,
    maxBytes: keys.maxSize,
    upload: keys.upload,
    pseudonymKeyFile: keys.pseudonymKey,
    precacheEveryMs: keys.precache,
  }),
})).meta({ description: "What agent dump gathers, and how." });
