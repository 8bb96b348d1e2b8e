/**
 * The file source where a watched path is something else by now, or its folder is away: nothing hangs, no position is thrown
 * away, and other files go on. A FIFO has a file of its own.
 */
import { join } from "node:path";
import { append, filesCase, lines, numbered, Reader } from "../peers/file_reader.ts";
import { replacedCase } from "../peers/replaced_path.ts";

replacedCase("a folder", (path) => Deno.mkdirSync(path));
replacedCase("a link to itself", (path) => Deno.symlinkSync(path, path));
replacedCase("a link to nowhere", (path) => Deno.symlinkSync(`${path}.nowhere`, path));
replacedCase("a device", (path) => Deno.symlinkSync("/dev/zero", path));

filesCase("a folder that vanishes and comes back is read on", async (folder, base) => {
  const inside = join(folder, "app");
  Deno.mkdirSync(inside);
  append(join(inside, "a.log"), lines(numbered(0, 3)));
  const reader = new Reader(folder, { ...base, include: [join(inside, "*.log")] });
  await reader.expect(numbered(0, 3));
  Deno.renameSync(inside, `${folder}.aside`);
  await new Promise((resolve) => setTimeout(resolve, 300)); // some looks find nothing
  Deno.renameSync(`${folder}.aside`, inside);
  append(join(inside, "a.log"), lines(numbered(3, 6)));
  await reader.expect(numbered(0, 6));
  await reader.stop();
});
