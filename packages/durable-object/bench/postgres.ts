/**
 * Claim: on PostgreSQL calls that arrive together share not only a sync but a round trip, so one connection
 * does what a pool of hand-written statements cannot.
 *
 * It starts a server of its own with the settings PostgreSQL comes with. Everything that is compared runs
 * against it in one process, in turns.
 *
 *   node bench/postgres.ts [--quick] [--seconds N] [--rounds N]
 */

import { Client } from "pg";
import { measureColdActivation } from "./support/postgres-cold.ts";
import { measureDueAlarms } from "./support/postgres-due.ts";
import { measureIncrements } from "./support/postgres-increments.ts";
import { postgresColumns, type PostgresRow } from "./support/postgres-rows.ts";
import { startServer } from "./support/postgres-server.ts";
import { atLeast, counted, perSecond, report, shown, times, type Headline } from "./support/report.ts";
import { readSettings } from "./support/settings.ts";

process.env["NODE_ENV"] ??= "production";
// A runtime does not keep its process alive, and alarms are all that one part waits for.
const alive = setInterval(() => {}, 60_000);
const run = readSettings();
const callers = [1, 64, 1_024];
const sizes = [1, 1_000, 10_000];
const many = run.quick ? 1_000 : 10_000;
/** What is measured in whole passes over thousands of objects is not repeated as often. */
const passes = { ...run, rounds: Math.min(run.rounds, 4) };

const server = await startServer();
const url = server.url();
const version = await askVersion();
const increments: PostgresRow[][] = [];
// One after the other: they are not to disturb each other.
for (const objects of sizes) increments.push(await measureIncrements(url, objects, callers, run));
const cold = await measureColdActivation(url, many, callers, passes);
const alarms = await measureDueAlarms(url, many, passes);
await server.dispose();
clearInterval(alive);

const [one = [], , spread = []] = increments;
const [alone, hot] = one;
const busiest = spread.at(-1);
const rows = [...increments.flat(), ...cold, ...alarms];

report(
  {
    name: "postgres",
    measures:
      "durable increments, objects brought back, and alarms on PostgreSQL with its default settings, each answered after its commit, against hand-written statements on pools of 1, 10 and 20 connections, SELECT … FOR UPDATE with a pool of 10, and calls that share upserts (INSERT … SELECT FROM unnest … ON CONFLICT) on one connection and nothing else",
    doesNotMeasure:
      "a network between the application and the server (both share this machine and its cores), several processes, handlers that wait, large states (see state-size)",
  },
  run,
  {
    settings: {
      store: "postgres",
      postgres: version,
      server: "default settings: fsync on, synchronous_commit on",
      connection: "Unix socket",
      statements: "prepared",
      freezeState: false,
      stateBytes: 10,
      stub: "held by the callers for one object, else asked for in every call",
    },
    columns: postgresColumns,
    rows,
    aims: [
      atLeast("one object, 1 caller:", 0.9, " × the fastest by hand", alone?.ratio ?? 0),
      atLeast("one object, 64 callers:", 60, " × the fastest by hand", hot?.ratio ?? 0),
      atLeast("10,000 objects, 1,024 callers:", 8, " × the fastest by hand", busiest?.ratio ?? 0),
      ...increments
        .flat()
        .map(({ what, callers: some, ofRaw }) =>
          atLeast(`${what}, ${counted(some ?? 0, "caller")}:`, 0.5, " × raw shared upserts", ofRaw ?? 0),
        ),
      ...alarms.slice(1).map(({ what, library }) => atLeast(`${what}:`, 10_000, "/s", library)),
    ],
    headlines: [
      ...[...one, ...increments.slice(1).flatMap((some) => some.slice(1))].map((row) => headline(row)),
      ...cold.slice(1).map((row) => headline(row, "SELECT, ")),
      ...alarms.slice(1).map((row) => headline(row)),
    ],
  },
);

/** @param byHand - what was done by hand, where it is no `UPDATE` */
function headline({ what, callers: some, library, ratio, fastest, fastestPool }: PostgresRow, byHand = ""): Headline {
  return {
    what: `${what}${some === null ? "" : `, ${shown(some)} in flight`}`,
    here: `${perSecond(library)} (${times(ratio)})`,
    byHand: `${perSecond(fastest)} (${byHand}pool of ${fastestPool})`,
  };
}

async function askVersion(): Promise<string> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows: found } = await client.query<{ server_version: string }>("SHOW server_version");
  await client.end();
  return found[0]?.server_version ?? "unknown";
}
