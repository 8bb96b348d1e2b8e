/** The modes of k3s's script: what is asked before a bundle leaves the machine, in its words. */
import { UsageError } from "../../pipeline/errors.ts";
import { noTerminal } from "../terminal.ts";

/** What the script takes as its argument; `upload` sends what was gathered before. */
export const uploadModes = [
  "gather",
  "gather-upload",
  "gather-upload-confirm",
  "gather-upload-nometa",
  "upload",
] as const;

/** One of {@linkcode uploadModes}. */
export type UploadMode = typeof uploadModes[number];

/** How questions reach a person. */
export interface UploadTalk {
  /** Whether somebody can be asked. */
  readonly interactive: boolean;
  /** `--yes`: every question is answered so. */
  readonly yes: boolean;
  /** Shows the question and returns the answer; Enter alone means `byDefault`. */
  confirm(question: string, byDefault: boolean): Promise<boolean>;
}

/** What was decided. */
export interface UploadPlan {
  readonly upload: boolean;
  /** k3s form: whether the secrets go along, encrypted to the public key; otherwise they are printed. */
  readonly includeSecrets: boolean;
}

/** Fails early: before gathering, where later nobody could be asked. @throws {UsageError} */
export function requireConsent(mode: UploadMode, talk: Pick<UploadTalk, "interactive" | "yes">): void {
  if (mode === "gather-upload-confirm" && !talk.interactive && !talk.yes) {
    throw new UsageError(
      `nobody can be asked whether to upload: ${noTerminal()}\nTry: --yes, or --mode gather-upload`,
    );
  }
}

/** Asks what the mode asks, after gathering and before sealing. @throws {UsageError} as {@linkcode requireConsent} */
export async function planUpload(mode: UploadMode, talk: UploadTalk): Promise<UploadPlan> {
  requireConsent(mode, talk);
  if (mode === "gather") return { upload: false, includeSecrets: true };
  if (mode !== "gather-upload-confirm") return { upload: true, includeSecrets: mode !== "gather-upload-nometa" };
  const upload = talk.yes || await talk.confirm("Perform upload?", false);
  if (!upload) return { upload, includeSecrets: true };
  const includeSecrets = talk.yes || await talk.confirm("Include encrypted metadata in upload?", true);
  return { upload, includeSecrets };
}
