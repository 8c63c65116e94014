/**
 * A process that joins, has its lease kept until it has heard so, and stops: `node postgres-heart-process.ts <url>
 * <options as JSON>`. It ends by itself, because nothing is left that would keep it.
 */

import { postgres, type PostgresOptions } from "../../src/postgres/index.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";

const [url = "", options = "{}"] = process.argv.slice(2);
const { objects, ownership } = await postgres(url, JSON.parse(options) as PostgresOptions).join({
  environment: systemEnvironment,
  node: "child",
  leaseMs: 10_000,
  types: [],
  endpoint: null,
  process: { host: "host-1", boot: null, pid: process.pid },
});
await new Promise<void>((resolve, reject) => {
  const keepAlive = setInterval(() => {}, 1_000);
  const heart = ownership.heart?.({
    intervalMs: 200,
    stallMs: 10_000,
    heard: () => {
      clearInterval(keepAlive);
      heart?.stop().then(resolve, reject);
    },
    failed: reject,
  });
});
await ownership.leave();
await objects.close();
process.stdout.write("stopped\n");
