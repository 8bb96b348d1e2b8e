/** What the file source does where a watched path is something else by now: shared by suites that need processes of their own. */
import { join } from "node:path";
import { append, filesCase, lines, numbered, Reader } from "./file_reader.ts";

/**
 * A case for something that `put` makes at the path of a file: it holds up no other, and the file is read when it is back.
 * @param release is told at the end where that something lies by then
 */
export function replacedCase(
  name: string,
  put: (path: string) => Promise<unknown> | void,
  definition: Partial<Deno.TestDefinition> = {},
  release: (path: string) => void = () => {},
): void {
  filesCase(
    `a file whose path is ${name} by now holds up no other, and is read when it is back`,
    async (folder, base) => {
      const [path, other] = [join(folder, "a.log"), join(folder, "b.log")];
      append(path, lines(numbered(0, 3)));
      const reader = new Reader(folder, base);
      await reader.expect(numbered(0, 3));
      Deno.renameSync(path, `${folder}.aside`);
      await put(path);
      append(other, lines(numbered(3, 6)));
      await reader.expect(numbered(0, 6));
      const from = await reader.stop();

      append(other, lines(numbered(6, 9)));
      const again = new Reader(folder, { ...base, from });
      await again.expect(numbered(6, 9));
      Deno.renameSync(path, `${folder}.was`);
      Deno.renameSync(`${folder}.aside`, path);
      append(path, lines(numbered(9, 12)));
      await again.expect(numbered(6, 12));
      await again.stop();
      release(`${folder}.was`);
      Deno.removeSync(`${folder}.was`, { recursive: true });
    },
    definition,
  );
}
