/**
 * `npm run cluster`: a PostgreSQL, a NATS, four node processes, and clients at each that increment counters all the
 * time; on a page and in the terminal, who owns what. Kill nodes and add some: it goes on.
 *
 *   --seconds N     tells a story of about so long by itself, and ends; so it is without a terminal (12) too
 *   --lease MS      how long a node may be silent before the others take what it owns (default: 3000)
 *   --clients N     clients at each node (default: 8)
 *   --peers         no NATS: the nodes talk to each other directly
 *   DATABASE_URL    a PostgreSQL database, instead of a private server
 *   NATS_URL        a NATS server, instead of a private one
 *   PORT            of the page (default: 4100)
 *
 * The exit code is 1 if anything acknowledged was lost or applied twice, or if something did not start.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Fleet } from "./fleet.ts";
import { Camera, type Comparison } from "./picture.ts";
import { findServers, NoServer } from "./servers.ts";
import { settled, shown, tellStory } from "./story.ts";
import { Survey } from "./survey.ts";
import { watch } from "./watch.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string" },
    lease: { type: "string", default: "3000" },
    clients: { type: "string", default: "8" },
    peers: { type: "boolean", default: false },
  },
});
const leaseMs = Number(values.lease);
const isWatched = values.seconds === undefined && process.stdout.isTTY && process.env["CI"] === undefined;
const directory = mkdtempSync(join(tmpdir(), "durable-object-example-"));
// Whatever ends this process: the nodes end without it, the servers too, and then their files go.
process.once("exit", () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
for (const signal of ["SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));
if (!isWatched) process.once("SIGINT", () => process.exit(130));

let say = (text: string): void => console.log(`${(performance.now() / 1_000).toFixed(1).padStart(6)} s  ${text}`);

try {
  process.exitCode = await run();
} catch (error) {
  console.error(error instanceof NoServer ? error.message : error);
  process.exit(1);
}

async function run(): Promise<number> {
  const servers = await findServers(directory);
  const nats = values.peers ? null : servers.nats;
  const wire = `PostgreSQL and ${nats === null ? "direct connections between nodes" : "NATS"}`;
  say(wire);
  if (nats === null && !values.peers) say("There is no nats-server here. To have one: apt install nats-server");
  const fleet = new Fleet({
    database: servers.database,
    servers: nats,
    leaseMs,
    clients: Number(values.clients),
    directory,
    say: (text) => say(text),
  });
  // The first one makes the tables.
  await fleet.add();
  await Promise.all([fleet.add(), fleet.add(), fleet.add()]);
  const survey = new Survey(servers.database);
  const camera = new Camera(fleet, survey, await survey.counts());
  await settled(fleet, camera);
  say(`${fleet.nodes.length} nodes own 1,024 slots; lease ${shown(leaseMs)}`);

  if (isWatched) {
    const title = `${wire} · lease ${shown(leaseMs)}`;
    const told = say;
    await watch({ fleet, camera, title, port: Number(process.env["PORT"] ?? 4100), hear: (to) => (say = to) });
    say = told;
    await fleet.rest();
  } else {
    await tellStory({ fleet, camera, leaseMs, seconds: Number(values.seconds ?? 12), say });
  }
  await fleet.stop();
  // No node is there any more: what the database has now is what was kept.
  const comparison = await camera.compare();
  await survey.close();
  await servers.stop();
  return verdict(comparison);
}

function verdict({ acknowledged, found, lost, twice, unknown }: Comparison): number {
  const isSound = lost === 0 && twice === 0 && acknowledged > 0;
  const figures = [
    `acknowledged ${acknowledged}`,
    `in the database ${found}`,
    `unknown outcomes ${unknown}`,
    `lost ${lost}`,
    `applied twice ${twice}`,
  ];
  say(`${isSound ? "✓" : "✗"} ${figures.join(" · ")}`);
  return isSound ? 0 : 1;
}
