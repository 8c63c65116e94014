/** `npm test`: the tests of the examples, in a copy that has the library as it is packed. Arguments go to vitest. */

import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { makePackedCopy } from "./packed-copy.ts";

const copy = await makePackedCopy();
// Ctrl-C ends the tests; the copy goes all the same.
process.on("SIGINT", () => {});
const vitest = [join(copy, "node_modules/vitest/vitest.mjs"), "run", ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, vitest, { cwd: join(copy, "examples"), stdio: "inherit" });
rmSync(copy, { recursive: true, force: true, maxRetries: 3 });
process.exitCode = status ?? 1;
