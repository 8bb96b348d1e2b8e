/** Named parts that are told apart by their `type`: the shape of `sources:` and `sinks:`. */
import { z } from "zod";
import { choiceText, namePattern, typeText } from "./messages.ts";
import { notAvailable } from "./types.ts";

/** A group of named parts. A type that the product has and this version has not is told so. */
export function typedParts<T>(
  options: readonly z.ZodType<T, unknown>[],
  types: { readonly now: readonly string[]; readonly later: readonly string[] },
  about: string,
): z.ZodType<Record<string, T>, unknown> {
  const error = (issue: { readonly code?: string; readonly input?: unknown }): string => {
    if (issue.code !== "invalid_union") return typeText("object", issue.input);
    const type = (issue.input as { readonly type?: unknown }).type;
    if (typeof type === "string" && types.later.includes(type)) {
      return `"${type}" is ${notAvailable}; allowed: ${types.now.join(", ")}`;
    }
    return choiceText(type, types.now);
  };
  // Each option is an object, or a pipe that begins with one, with a literal `type`: what the union looks at.
  const part = z.discriminatedUnion("type", options as never, { error }) as unknown as z.ZodType<T, unknown>;
  return z.record(z.string().regex(namePattern), part).refine((parts) => Object.keys(parts).length > 0, {
    error: "is empty; allowed: at least one",
  }).meta({ description: about });
}
