/** Whether folders can be written to: tried with a file that is removed again, because permissions are not all there is. */
import { dirname, join, resolve } from "node:path";
import { errorText } from "../../pipeline/errors.ts";

/**
 * Why a file cannot be made in `folder`, undefined when it can. A folder that is missing is judged by the nearest one
 * above it, where it will be made.
 */
export function complaintOfFolder(folder: string): string | undefined {
  const existing = nearestExisting(resolve(folder));
  const probe = join(existing, `.agent-check-${crypto.randomUUID().slice(0, 8)}`);
  try {
    if (!Deno.statSync(existing).isDirectory) return `"${existing}" is not a folder`;
    Deno.openSync(probe, { write: true, createNew: true, mode: 0o600 }).close();
    Deno.removeSync(probe);
    return undefined;
  } catch (error) {
    const reason = errorText(error).replace(`: open '${probe}'`, "");
    return `no file can be made in "${existing}": ${reason}`;
  }
}

function nearestExisting(path: string): string {
  for (;;) {
    try {
      Deno.statSync(path);
      return path;
    } catch (error) {
      const above = dirname(path);
      if (!(error instanceof Deno.errors.NotFound) || above === path) return path;
      path = above;
    }
  }
}
