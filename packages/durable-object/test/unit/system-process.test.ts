import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { isGone, thisProcess } from "../../src/runtime/system-process.ts";

const me = thisProcess();

test.skipIf(me.boot === null)(
  "another process of this machine is there, then gone, and so is one whose pid is somebody else's",
  async () => {
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    const pid = child.pid ?? -1;
    const other = { ...me, pid, started: null };
    expect(isGone(other, me)).toBe(false);
    expect(isGone({ ...other, started: "1" }, me)).toBe(true);
    child.kill("SIGKILL");
    await once(child, "close");
    expect(isGone(other, me)).toBe(true);
  },
);

test("nobody is known to be gone who is this process, or runs elsewhere", () => {
  expect(isGone(me, me)).toBe(false);
  expect(isGone({ ...me, boot: "another", pid: 999_999_999 }, me)).toBe(false);
  expect(isGone({ ...me, boot: null, pid: 999_999_999 }, me)).toBe(false);
  expect(isGone({ ...me, pid: 999_999_999 }, { ...me, boot: null })).toBe(false);
});
