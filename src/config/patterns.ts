/** Values that are patterns or names inside records. */
import type { z } from "zod";
import { parseGlobs } from "../formats/glob.ts";
import { Pattern } from "../rules/pattern/pattern.ts";
import { type About, parsedText } from "./values.ts";

/** A path pattern that can be read. */
export const globText: z.ZodType<string, string> = parsedText((pattern) => {
  if (pattern === "") throw new Error("is empty; allowed: a path or a pattern");
  parseGlobs(pattern);
  return pattern;
}, { about: "A path or a pattern." });

/** A program name: printable ASCII, 48 characters at the most (RFC 5424 section 6.2.5). */
export function programText(about: About): z.ZodType<string, string> {
  return parsedText((program) => {
    if (!/^[!-9;-Z\\^-~]{1,48}$/.test(program)) {
      throw new Error("is not a program name; allowed: 1 to 48 printable ASCII characters without space, : [ ]");
    }
    return program;
  }, about);
}

/** A pattern of a rule; the text is kept, because the rules compile it once more. */
export function patternText(about: About): z.ZodType<string, string> {
  return parsedText((pattern) => new Pattern(pattern).source, about);
}
