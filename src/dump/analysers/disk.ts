/** Full disks, of bytes or of inodes, and disks that became read-only. */
import type { Analyser } from "../report.ts";
import { formatSize } from "../../formats/duration.ts";
import { analyserOf, finding, parseTable } from "./finding.ts";

const path = "system/disk.txt";

/** Less than 10 % left is a warning, less than 3 % critical; images that are made full do not count. */
export const diskAnalyser: Analyser = analyserOf("disk", path, (text) => {
  const rows = parseTable(text).filter((row) => !alwaysFull.test(row.cell("type")) && Number(row.cell("kib")) > 1_024);
  const writable = rows.filter((row) => row.cell("ro") === "rw");
  return [
    ...fullness(writable, "use%", {
      id: "disk-full",
      what: "room",
      advice:
        "Make room: look for the largest folders (du -x), old logs and images; what cannot be written is lost, and " +
        "services stop in odd ways.",
    }),
    ...fullness(writable, "iuse%", {
      id: "inodes-full",
      what: "inodes",
      advice: "Remove many small files (sessions, caches, queues): no new file can be made although there is room.",
    }),
    ...readOnly(rows),
  ];
});

type Rows = ReturnType<typeof parseTable>;

function fullness(
  rows: Rows,
  column: string,
  about: { id: string; what: string; advice: string },
): ReturnType<typeof finding>[] {
  return rows.filter((row) => Number(row.cell(column)) >= 90).map((row) => {
    const percent = Number(row.cell(column));
    const state = percent >= 100 ? "is full" : `is ${percent} % full`;
    return finding({
      id: about.id,
      severity: percent >= 97 ? "critical" : "warning",
      title: `${row.cell("mount")} ${state}${about.what === "room" ? "" : ` (${about.what})`}`,
      evidence: [
        `${sizeOf(row.cell("used"))} used, ${sizeOf(row.cell("available"))} available, ` +
        `${row.cell("iused")} of ${row.cell("inodes")} inodes used (${row.cell("type")} on ${row.cell("filesystem")})`,
      ],
      artifact: path,
      advice: about.advice,
    });
  });
}

function sizeOf(kib: string): string {
  return formatSize(1_024 * Number(kib));
}

/** Kinds that are made to be written and are not. */
function readOnly(rows: Rows): ReturnType<typeof finding>[] {
  return rows.filter((row) =>
    row.cell("ro") === "ro" && /^(ext[234]|xfs|btrfs|f2fs|ubifs|jffs2)$/.test(row.cell("type"))
  )
    .map((row) =>
      finding({
        id: "read-only",
        severity: "warning",
        title: `${row.cell("mount")} is mounted read-only`,
        evidence: [row.line],
        artifact: path,
        advice:
          "If that is not meant: the kernel does this after an error of the disk. Look at kernel/dmesg.log, check the " +
          "file system.",
      })
    );
}

const alwaysFull = /^(squashfs|iso9660|erofs|romfs|cramfs|udf|devtmpfs|overlay.*ro)$/;
