/** Removes the copy that the tests ran in: this file is a part of it. */

import { rmSync } from "node:fs";
import { join } from "node:path";

export function teardown(): void {
  rmSync(join(import.meta.dirname, "../.."), { recursive: true, force: true, maxRetries: 3 });
}
