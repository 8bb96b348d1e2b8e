/** Named parts that are told apart by their `type`: the shape of `sources:` and `sinks:`. */
import { z } from "zod";
import { choiceText, namePattern, typeText } from "./messages.ts";

/** A group of named parts, each of one of `types`. */
export function typedParts<T>(
  options: readonly z.ZodType<T, unknown>[],
  types: readonly string[],
  about: string,
): z.ZodType<Record<string, T>, unknown> {
  const error = (issue: { readonly code?: string; readonly input?: unknown }): string => {
    if (issue.code !== "invalid_union") return typeText("object", issue.input);
    return choiceText((issue.input as { readonly type?: unknown }).type, types);
  };
  // Each option is an object, or a pipe that begins with one, with a literal `type`: what the union looks at.
  const part = z.discriminatedUnion("type", options as never, { error }) as unknown as z.ZodType<T, unknown>;
  return z.record(z.string().regex(namePattern), part).refine((parts) => Object.keys(parts).length > 0, {
    error: "is empty; allowed: at least one",
  }).meta({ description: about });
}
