/** Compiles the examples against the types of the library as it is packed. It must have been built before. */

import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { makePackedCopy } from "../examples/test/packed-copy.ts";

const copy = await makePackedCopy();
const tsc = join(copy, "node_modules/typescript/bin/tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", join(copy, "examples")], { stdio: "inherit" });
rmSync(copy, { recursive: true, force: true, maxRetries: 3 });
process.exitCode = status ?? 1;
