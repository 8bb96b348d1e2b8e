/** File systems whose server may be dead: whoever waits for one without being able to stop waiting never ends. */

/** Whether a path lies on one of them, told from the kernel's list without touching any. */
export class RemoteMounts {
  readonly #mounts: readonly { readonly path: string; readonly isRemote: boolean }[];

  /** @param table as `/proc/mounts` is (proc(5)) */
  constructor(table: string) {
    this.#mounts = table.split("\n").flatMap((line) => {
      const [, path, type] = line.split(" ");
      if (path === undefined || type === undefined) return [];
      const plain = path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
      return [{ path: plain, isRemote: remoteTypes.test(type) }];
    });
  }

  /** Those of this machine; none where the kernel does not tell. */
  static read(): RemoteMounts {
    try {
      return new RemoteMounts(Deno.readTextFileSync("/proc/mounts"));
    } catch {
      return new RemoteMounts("");
    }
  }

  /** `path` is absolute; the last mount of the longest matching path is the one that is seen. */
  has(path: string): boolean {
    let found: { readonly path: string; readonly isRemote: boolean } | undefined;
    for (const mount of this.#mounts) {
      const isAbove = mount.path === "/" || path === mount.path || path.startsWith(`${mount.path}/`);
      if (isAbove && mount.path.length >= (found?.path.length ?? 0)) found = mount;
    }
    return found?.isRemote === true;
  }
}

const remoteTypes = /^(?:nfs|cifs|smb|fuse|9p|ceph|gluster|afs|lustre|ocfs|gfs|autofs|coda|ncp|virtiofs)/;
