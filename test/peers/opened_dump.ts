/** Opens a dump with Debian's tar, not with ours: what a support engineer has. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { parseReport } from "../../src/dump/report_schema.ts";
import type { CollectorReport, DumpReport } from "../../src/dump/report.ts";
import { runProgram } from "./process.ts";

/** A dump on disk. */
export class OpenedDump implements Disposable {
  /** The folder `base` that was in it. */
  readonly folder: string;
  readonly report: DumpReport;
  readonly #temporary: string;

  private constructor(temporary: string, folder: string) {
    this.#temporary = temporary;
    this.folder = folder;
    this.report = parseReport(Deno.readTextFileSync(join(folder, "report.json")));
  }

  /** Extracts the plain tar.gz at `path`. */
  static async open(path: string): Promise<OpenedDump> {
    const temporary = Deno.makeTempDirSync({ prefix: "opened-dump-" });
    await runProgram("tar", ["--extract", "--gzip", "--file", path, "--directory", temporary]);
    const [only, ...more] = [...Deno.readDirSync(temporary)];
    assert.equal(more.length, 0, "one folder in the archive");
    return new OpenedDump(temporary, join(temporary, only!.name));
  }

  /** Text of a file below the first node's folder. */
  text(path: string): string {
    return Deno.readTextFileSync(join(this.folder, "nodes", this.report.nodes[0]!.id, path));
  }

  collector(id: string): CollectorReport {
    const found = this.report.nodes[0]!.collectors.filter((one) => one.id === id);
    assert.equal(found.length, 1, `collector ${id} is there once`);
    return found[0]!;
  }

  /** All files below the bundle's folder, sorted. */
  files(): readonly string[] {
    const found: string[] = [];
    const walk = (folder: string): void => {
      for (const { name, isDirectory } of Deno.readDirSync(join(this.folder, folder))) {
        const path = folder === "" ? name : `${folder}/${name}`;
        if (isDirectory) walk(path);
        else found.push(path);
      }
    };
    walk("");
    return found.sort();
  }

  /** Every file is in the manifest with its size and sum, and nothing else; the report is true about each. */
  judge(): void {
    const manifest = JSON.parse(Deno.readTextFileSync(join(this.folder, "manifest.json")));
    const listed = manifest.files.map(({ path }: { path: string }) => path).sort();
    assert.deepEqual([...listed, "manifest.json"].sort(), this.files());
    for (const { path, size, sha256 } of manifest.files) {
      const bytes = Deno.readFileSync(join(this.folder, path));
      assert.equal(bytes.length, size, path);
      assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256, path);
    }
    const { nodes, complete } = this.report;
    const collectors = nodes.flatMap((node) => node.collectors);
    assert.equal(
      new Set(nodes.flatMap((node) => node.collectors.map(({ id }) => `${node.id} ${id}`))).size,
      collectors.length,
    );
    const failed = nodes.some(({ failure }) => failure !== undefined);
    assert.equal(complete, !failed && collectors.every(({ missing }) => !missing));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#temporary, { recursive: true });
  }
}
