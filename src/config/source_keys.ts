/** Keys that several sources have. */
import { z } from "zod";
import { facilityName, parseFacility, parseSeverity, severityName } from "../formats/priority.ts";
import { defaultMaxConnections, defaultPriority, sourceDefaults } from "./defaults.ts";
import { programText } from "./patterns.ts";
import { count, numberOrText, size, sizeText } from "./values.ts";

const kib = 1024;

/** What plain records say of themselves: the keys of several sources. */
export const recordKeys = {
  program: programText({
    about: "Program name of the records (the tag of RFC 3164); default: the source's own choice.",
    example: "messages",
  }).exactOptional(),
  severity: numberOrText(parseSeverity, "0 to 7 or a name", {
    about: "Severity of the records: 0 to 7 or a name.",
  }).prefault(severityName(defaultPriority % 8)),
  facility: numberOrText(parseFacility, "0 to 23 or a name", {
    about: "Facility of the records: 0 to 23 or a name.",
  }).prefault(facilityName(Math.floor(defaultPriority / 8))),
};

/** `maxLine` with its default. */
export const maxLineKey = (about: string): z.ZodType<number, string | undefined> =>
  size(kib, 16 * kib * kib, { about }).prefault(sizeText(sourceDefaults.maxLineBytes));
/** What is said of `maxLine` where longer lines are split. */
export const splitLines = "Longest line; longer ones are split.";
/** `maxConnections` of the listeners for syslog and lines. */
export const connectionsKey = count(1, 100_000, { about: "Connections at once; more are turned away." })
  .prefault(defaultMaxConnections);
/** Said of `tls` where it is missing. */
export const missingTls = "missing; a listener on tls needs a certificate: tls: {ca: …, cert: …, key: …}";

/** The priority (facility × 8 + severity) of the records. */
export function priorityOf(keys: { readonly severity: number; readonly facility: number }): number {
  return keys.facility * 8 + keys.severity;
}
