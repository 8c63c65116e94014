/**
 * Claim: what a look for due alarms costs does not grow with the alarms that wait for their time.
 *
 *   node bench/alarm-wake-up.ts [--quick] [--seconds N]
 */

import { DatabaseSync } from "node:sqlite";
import { systemEnvironment } from "../src/runtime/system-environment.ts";
import { sqlite } from "../src/sqlite/index.ts";
import { openTickets, Ticket } from "./support/due-alarms.ts";
import { median } from "./support/measure.ts";
import { atMost, report, shown } from "./support/report.ts";
import { scratchFile } from "./support/scratch.ts";
import { readSettings } from "./support/settings.ts";

process.env["NODE_ENV"] ??= "production";
const run = readSettings();
const pendingCounts = run.quick ? [1_000, 10_000] : [1_000, 100_000, 1_000_000];
/** What the scheduler reads at a time. */
const batch = 1_024;
const nowMs = Date.now();

/** A file with alarms that are due one after the other from tomorrow on, and some that are due. */
async function fileWith(pending: number, due: number): Promise<string> {
  const path = scratchFile(`${pending}-pending.db`);
  await (await openTickets(path)).stop();
  const database = new DatabaseSync(path);
  const insert = database.prepare(`
    WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < ?1)
    INSERT INTO durable_object_alarms (tenant, type, id, name, due_at, generation, payload)
    SELECT '', '${Ticket.type}', printf('%s-%07d', ?2, n), 'expire', ?3 + n * 1000, 1, '{"note":"expires"}' FROM counted`);
  insert.run(pending, "pending", nowMs + 86_400_000);
  if (due > 0) insert.run(due, "due", nowMs - 86_400_000 * 30);
  database.close();
  return path;
}

/** The median of a look's time in µs, as the scheduler looks. */
async function look(path: string): Promise<{ emptyUs: number; found: number }> {
  const store = await sqlite(path).open({ environment: systemEnvironment, node: "bench" });
  const times: number[] = [];
  let found = 0;
  const end = performance.now() + run.seconds * 1_000;
  while (performance.now() < end) {
    const start = performance.now();
    found = (await store.dueAlarms({ type: Ticket.type, tenant: null, dueBy: nowMs, limit: batch })).length;
    await store.nextDueAfter([Ticket.type], nowMs);
    times.push((performance.now() - start) * 1_000);
  }
  await store.close();
  return { emptyUs: median(times), found };
}

const rows: { pending: number; due: number; emptyUs: number; fullUs: number }[] = [];
for (const pending of pendingCounts) {
  const { emptyUs } = await look(await fileWith(pending, 0));
  const { emptyUs: fullUs, found } = await look(await fileWith(pending, batch));
  rows.push({ pending, due: found, emptyUs, fullUs });
}
const [fewest, most] = [rows[0], rows.at(-1)];

report(
  {
    name: "alarm-wake-up",
    measures: `one look of the scheduler: the due alarms of a type, at most ${shown(batch)}, and the time of the next one; with nothing due, and with ${shown(batch)} due`,
    doesNotMeasure: "firing them (see alarms), a cold file cache, many types or tenants",
  },
  run,
  {
    settings: { store: "sqlite", synchronous: "full", worker: false },
    columns: [
      { key: "pending", title: "pending alarms" },
      { key: "emptyUs", title: "nothing due, µs", digits: 1 },
      { key: "due", title: "due" },
      { key: "fullUs", title: "that many due, µs" },
    ],
    rows,
    aims: [
      atMost("nothing due, most pending against fewest:", 3, " ×", (most?.emptyUs ?? NaN) / (fewest?.emptyUs ?? NaN)),
      atMost("a batch due, most pending against fewest:", 3, " ×", (most?.fullUs ?? NaN) / (fewest?.fullUs ?? NaN)),
    ],
    headlines: rows.slice(-1).map(({ pending, emptyUs }) => ({
      what: `a look for due alarms with ${shown(pending)} pending`,
      here: `${shown(emptyUs)} µs`,
      byHand: "–",
    })),
  },
);
