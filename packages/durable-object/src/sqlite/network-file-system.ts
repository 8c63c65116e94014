/**
 * Network file systems, by the type that Linux's `statfs` reports.
 *
 * SQLite in WAL mode needs POSIX locks that hold and memory that all processes share; across machines
 * neither is there, and two owners would not see each other. Not listed are FUSE and 9p: they can be a
 * network, but as often are a local disk seen from a container.
 */

/** The `f_type` of network file systems, as in `statfs(2)`. */
const names: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
  [0x5346414f, "AFS"],
  [0x6b414653, "AFS"],
  [0x73757245, "Coda"],
  [0x00c36400, "Ceph"],
  [0x0bd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
]);

/**
 * The name of a network file system, or null if it is a local one or unknown.
 *
 * @param type - `fs.statfs(path).type` on Linux
 */
export function networkFileSystem(type: number): string | null {
  // Where the kernel's field is a signed one, the high types arrive as negative numbers.
  return names.get(type >>> 0) ?? null;
}
