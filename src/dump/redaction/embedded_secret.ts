/** A Kubernetes Secret as JSON in the middle of a line of another text: an audit record, a message, an annotation. */
import { hidden } from "../../rules/redact.ts";
import type { Find } from "./secret_rules.ts";

/** What to mask of such a line: all texts within the braces after `data`, escaped or not; empty when there is no Secret. */
export function embeddedSecret(bytes: Uint8Array, start: number, end: number): readonly Find[] {
  const text = latin1.decode(bytes.subarray(start, end));
  if (!/\\*"kind\\*"\s*:\s*\\*"Secret(?:List)?\\*"/.test(text)) return [];
  const finds: Find[] = [];
  for (const match of text.matchAll(/\\*"(?:data|stringData)\\*"\s*:\s*\{/g)) {
    const from = match.index + match[0].length;
    const { depth, stop } = endOfObject(text, from, /^\\*/.exec(match[0])![0].length);
    const last = depth === 0 ? stop - 1 : stop;
    if (last <= from || (finds.length > 0 && start + from < finds.at(-1)!.end)) continue;
    finds.push({ start: start + from, end: start + last, rule: "kubernetes-secret", mask: nothing });
  }
  return finds;
}

/** Behind the brace that closes what is open at `from`; quotes are those with exactly `escapes` backslashes before them. */
function endOfObject(text: string, from: number, escapes: number): { depth: number; stop: number } {
  let depth = 1;
  let inString = false;
  let backslashes = 0;
  let stop = from;
  for (; stop < text.length && depth > 0; stop++) {
    const char = text[stop];
    if (char === '"' && backslashes === escapes) inString = !inString;
    else if (!inString && char === "{") depth++;
    else if (!inString && char === "}") depth--;
    backslashes = char === "\\" ? backslashes + 1 : 0;
  }
  return { depth, stop };
}

const latin1 = new TextDecoder("latin1");
/** `{}` stays JSON at any depth of escaping. */
const nothing = hidden(new Uint8Array(0), 0).subarray(0, 0);
