/** Files that other programs packed, unpacked by them: journald, logrotate and Debian write xz and zstd, too. */
import type { Artifact, DumpContext } from "../collector.ts";
import { commandArtifact } from "./define.ts";

/** What is unpacked by a program: how its files end, how they begin. */
const packers: readonly { readonly program: string; readonly ending: string; readonly magic: readonly number[] }[] = [
  { program: "xz", ending: "xz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a] },
  { program: "bzip2", ending: "bz2", magic: [0x42, 0x5a, 0x68] },
  { program: "zstd", ending: "zst", magic: [0x28, 0xb5, 0x2f, 0xfd] },
  { program: "lz4", ending: "lz4", magic: [0x04, 0x22, 0x4d, 0x18] },
];

/** The program that unpacks a file which begins so. */
export function packerOfHead(head: Uint8Array): string | undefined {
  return packers.find(({ magic }) => magic.every((byte, i) => head[i] === byte))?.program;
}

/** The program that unpacks a file of this name, and the name without that ending. */
export function packerOfName(name: string): { readonly program: string; readonly bare: string } | undefined {
  const found = packers.find(({ ending }) => name.endsWith(`.${ending}`));
  return found === undefined ? undefined : { program: found.program, bare: name.slice(0, -found.ending.length - 1) };
}

/** What a file of `path` on this machine unpacks to, at most `maxBytes` of it; undefined where the program is missing. */
export function unpackedFile(
  context: DumpContext,
  { program, path, to, maxBytes }: {
    readonly program: string;
    readonly path: string;
    readonly to: string;
    readonly maxBytes: number;
  },
): Artifact | undefined {
  const { machine } = context;
  if (!machine.live || machine.which(program) === undefined) return undefined;
  const artifact = commandArtifact(context, { program, args: ["-dc", path], to, kind: "log" });
  return { ...artifact, content: atMost(artifact.content, maxBytes) };
}

async function* atMost(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncIterable<Uint8Array> {
  let left = maxBytes;
  for await (const chunk of chunks) {
    yield chunk;
    if ((left -= chunk.length) <= 0) return; // a bomb ends here
  }
}
