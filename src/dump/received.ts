/** What is taken over from another bundle, whose report is anybody's. */
import type { ArtifactKind, CollectorNote } from "./collector.ts";

/** The kind of a file that says it by its name alone. */
export function kindOfName(path: string): ArtifactKind {
  const name = path.replace(/\.gz$/, "");
  if (/\.json$/.test(name)) return "json";
  if (/\.ya?ml$/.test(name)) return "yaml";
  return /\.log$|(^|\/)logs?\/|kernel/.test(name) ? "log" : "text";
}

/** Notes with every text through `redact`. */
export function redactedNotes(notes: readonly CollectorNote[], redact: (text: string) => string): CollectorNote[] {
  return notes.map((note) => ({
    ...note,
    about: redact(note.about),
    text: redact(note.text),
    ...(note.stderr === undefined ? {} : { stderr: redact(note.stderr) }),
  }));
}
