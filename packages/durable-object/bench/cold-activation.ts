/**
 * Claim: an object that is not in memory is there after one read of its row; those that are asked for
 * together share a transaction.
 *
 * Every pass is a restart: a new runtime on the same file, and the first read of each object.
 *
 *   node bench/cold-activation.ts [--quick]
 */

import { DatabaseSync } from "node:sqlite";
import { createRuntime, defineObject, read, reply } from "../src/index.ts";
import { sqlite } from "../src/sqlite/index.ts";
import { sweepUp, median, type Slice } from "./support/measure.ts";
import { perSecond, report, shown } from "./support/report.ts";
import { scratchFile } from "./support/scratch.ts";
import { readSettings } from "./support/settings.ts";

process.env["NODE_ENV"] ??= "production";
const run = readSettings();
const count = run.quick ? 1_000 : 10_000;
const stateBytes = 200;

const Note = defineObject({
  type: "note",
  state: { n: 0, text: "" },
  handlers: {
    fill: (_context, n: number) => {
      const bare = JSON.stringify({ n, text: "" }).length;
      return reply(undefined, { n, text: "t".repeat(stateBytes - bare) });
    },
    value: read(({ state }) => reply(state.n)),
  },
});

const ids = Array.from({ length: count }, (_, index) => `note-${String(index).padStart(6, "0")}`);
const path = scratchFile("cold.db");
const writer = await createRuntime({ objects: [Note], store: sqlite(path) });
for (let first = 0; first < count; first += 1_000) {
  const some = ids.slice(first, first + 1_000);
  await Promise.all(some.map((id, offset) => writer.get(Note, id).fill(first + offset)));
}
await writer.stop();

/** Reads every object once, so many at a time, and checks what comes. */
async function readAll(inFlight: number, value: (id: string) => Promise<number>): Promise<Slice> {
  let taken = 0;
  const reader = async (): Promise<void> => {
    while (taken < count) {
      const index = taken++;
      if ((await value(ids[index] ?? "")) !== index) throw new Error(`Object ${index} has a wrong state.`);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, reader));
  return { calls: count, seconds: (performance.now() - start) / 1_000 };
}

async function activateAll(inFlight: number): Promise<Slice> {
  const runtime = await createRuntime({ objects: [Note], store: sqlite(path) });
  const slice = await readAll(inFlight, (id) => runtime.get(Note, id).value());
  if (runtime.activeCount !== count) throw new Error("Not every object came to life.");
  await runtime.stop();
  return slice;
}

async function selectAll(): Promise<Slice> {
  const database = new DatabaseSync(path, { readOnly: true });
  const select = database.prepare("SELECT state FROM durable_objects WHERE tenant = '' AND type = 'note' AND id = ?");
  const slice = await readAll(1, async (id) => (JSON.parse(select.get(id)?.["state"] as string) as { n: number }).n);
  database.close();
  return slice;
}

const contestants = [
  { what: "one at a time", run: () => activateAll(1) },
  { what: "64 at a time", run: () => activateAll(64) },
  { what: "1,024 at a time", run: () => activateAll(1_024) },
  { what: "by hand: SELECT and JSON.parse", run: selectAll },
];
const rates = contestants.map((): number[] => []);
for (const contestant of contestants) await contestant.run();
for (let round = 0; round < run.rounds; round++) {
  for (let turn = 0; turn < contestants.length; turn++) {
    const index = (round + turn) % contestants.length;
    sweepUp();
    const slice = await contestants[index]?.run();
    if (slice !== undefined) rates[index]?.push(slice.calls / slice.seconds);
  }
}

const byHand = median(rates[3] ?? []);
const rows = contestants.map(({ what }, index) => {
  const rate = median(rates[index] ?? []);
  return {
    what,
    rate,
    us: 1e6 / rate,
    ratio: median((rates[index] ?? []).map((one, at) => one / (rates[3]?.[at] ?? 1))),
  };
});

report(
  {
    name: "cold-activation",
    measures: `the first read of each of ${shown(count)} stored objects after a restart of the runtime`,
    doesNotMeasure:
      "a cold disk (the file is in the page cache of the system), the start of the process, afterLoad and migrations of the state",
  },
  run,
  {
    settings: { store: "sqlite", freezeState: false, objects: count, stateBytes },
    columns: [
      { key: "what", title: "" },
      { key: "rate", title: "objects/s" },
      { key: "us", title: "µs each", digits: 1 },
      { key: "ratio", title: "ratio", digits: 2, unit: " ×" },
    ],
    rows,
    aims: [],
    headlines: rows.slice(0, 2).map(({ what, rate }) => ({
      what: `objects brought back after a restart, ${what}`,
      here: perSecond(rate),
      byHand: `${perSecond(byHand)} (SELECT and JSON.parse)`,
    })),
  },
);
