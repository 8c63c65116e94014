/**
 * `npm start`: opens the shop, shows in a few seconds that a `kill -9` loses nothing, and keeps the shop open.
 *
 *   --demo          ends after the demonstration; so it is too in CI and without a terminal
 *   --serve         keeps the shop open in any case
 *   --data <file>   the SQLite file (default: data/shop.db beside this file)
 *   DATABASE_URL    the URL of a PostgreSQL database, instead of a file
 *   PORT            the first port to try (default: 3000)
 *
 * The exit code is 1 if anything was lost, or if the shop could not start.
 */

import { mkdirSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { demonstrate } from "./demonstration.ts";
import { announce, bye, introduce, narrate, restarted, suggest } from "./narration.ts";
import { ShopProcess, StartFailed } from "./shop-process.ts";
import { summarise } from "./shop-rows.ts";
import { defaultPlace, describeDatabase, isDatabase } from "./store.ts";

const { values } = parseArgs({
  options: {
    demo: { type: "boolean", default: false },
    serve: { type: "boolean", default: false },
    data: { type: "string", default: defaultPlace },
  },
});
const isWatched = process.stdin.isTTY && process.env["CI"] === undefined;
const keepsOpen = values.serve || (isWatched && !values.demo);
const port = Number(process.env["PORT"] ?? 3000);
const isPostgres = isDatabase(values.data);
const place = isPostgres ? values.data : resolve(values.data);
const shownPlace = isPostgres ? describeDatabase(place) : shownFile(place);
if (!isPostgres) mkdirSync(dirname(place), { recursive: true });

const shop = new ShopProcess(place, port);
let isStopping = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());

try {
  process.exitCode = await run();
} catch (error) {
  if (!isStopping) {
    console.error(error instanceof StartFailed ? error.message : error);
    await shop.stop();
    process.exitCode = 1;
  }
}

async function run(): Promise<number> {
  introduce(isPostgres ? "PostgreSQL" : "one SQLite file");
  await shop.start();
  announce(shop, port, shownPlace, await summarise(place));
  const { lost, extra } = await demonstrate(shop, place, { clients: 16, beforeMs: 1_000, afterMs: 800 }, narrate);
  const isSound = lost === 0 && extra === 0;
  suggest(shop.url, keepsOpen);
  if (keepsOpen) await keepOpen();
  await shop.stop();
  return isSound ? 0 : 1;
}

/** Starts the shop again whenever it is killed, until it is asked to stop. */
async function keepOpen(): Promise<void> {
  for (;;) {
    const exit = await shop.exited;
    if (isStopping) return;
    if (exit.signal === null) throw new StartFailed(`The shop ended by itself, with the exit code ${exit.code}.`);
    const ms = await shop.start();
    restarted(shop, exit.signal, ms, await summarise(place));
  }
}

async function stop(): Promise<void> {
  isStopping = true;
  await shop.stop();
  bye(shownPlace);
  process.exit(0);
}

/** A path as seen from where npm was called. */
function shownFile(path: string): string {
  const fromHere = relative(process.env["INIT_CWD"] ?? process.cwd(), path);
  return fromHere.startsWith("..") ? path : fromHere;
}
