/** Which file systems are refused. */

import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { networkFileSystem } from "../../src/sqlite/network-file-system.ts";

test.each([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
  // As a signed 32-bit number, as some kernels report it.
  [0xff534d42 | 0, "CIFS"],
  [0xfe534d42 | 0, "SMB"],
  [0x5346414f, "AFS"],
  [0x00c36400, "Ceph"],
])("%i is %s", (type, name) => {
  expect(networkFileSystem(type)).toBe(name);
});

test.each([
  ["ext4", 0xef53],
  ["xfs", 0x58465342],
  ["btrfs", 0x9123683e],
  ["tmpfs", 0x01021994],
  ["overlay", 0x794c7630],
  ["zfs", 0x2fc12fc1],
  ["FUSE", 0x65735546],
  ["9p", 0x01021997],
  ["nothing", 0],
])("%s is local", (_, type) => {
  expect(networkFileSystem(type)).toBe(null);
});

test.runIf(process.platform === "linux")("the directory for temporary files is local", () => {
  expect(networkFileSystem(statfsSync(tmpdir()).type)).toBe(null);
});
