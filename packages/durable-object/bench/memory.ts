/**
 * Claim: an object that sleeps costs little memory, so that many can stay within reach.
 *
 * The file is filled by one runtime and loaded by another, so that what is measured is what a process
 * holds after a restart. The ids come from the benchmark and are counted with the objects that keep them.
 *
 *   node bench/memory.ts [--quick]
 */

import {
  createRuntime,
  defineObject,
  read,
  reply,
  type Environment,
  type Runtime,
  type StateOf,
} from "../src/index.ts";
import { sqlite } from "../src/sqlite/index.ts";
import { systemEnvironment } from "../src/runtime/system-environment.ts";
import { collectGarbage } from "./support/measure.ts";
import { atMost, report, shown } from "./support/report.ts";
import { scratchFile } from "./support/scratch.ts";
import { readSettings } from "./support/settings.ts";

process.env["NODE_ENV"] ??= "production";
const run = readSettings();
const count = run.quick ? 5_000 : 100_000;
const stateBytes = 200;

const empty = { name: "", email: "", visits: 0, tags: [""], settings: { theme: "", language: "" }, notes: "" };

const Profile = defineObject({
  type: "profile",
  state: empty,
  handlers: {
    fill: (_context, index: number) => reply(undefined, profile(index)),
    visits: read(({ state }) => reply(state.visits)),
  },
  hibernateAfter: "1h",
});

/** A state that has exactly `stateBytes` bytes as JSON. */
function profile(index: number): StateOf<typeof empty> {
  const state = {
    name: `person ${index}`,
    email: `${index}@example.com`,
    visits: 100_000 + index,
    tags: ["red", "green", "blue"],
    settings: { theme: "dark", language: "en" },
    notes: "",
  };
  return { ...state, notes: "n".repeat(stateBytes - JSON.stringify(state).length) };
}

/** An id as it comes from a request: a flat text of its own. */
function idOf(index: number): string {
  return Buffer.from(`profile-${String(index).padStart(6, "0")}`).toString("latin1");
}

/** Time that can be moved on, so that objects fall asleep when the benchmark wants them to. */
let skewMs = 0;
const environment: Environment = {
  ...systemEnvironment,
  monotonic: () => systemEnvironment.monotonic() + skewMs,
};

/** Has `work` done for every object, many at a time. */
async function forAll(work: (index: number) => Promise<unknown>): Promise<void> {
  for (let first = 0; first < count; first += 1_000) {
    const length = Math.min(1_000, count - first);
    await Promise.all(Array.from({ length }, (_, offset) => work(first + offset)));
  }
}

/** Bytes in use by JavaScript, buffers included, once all garbage is gone. */
async function usedMemory(): Promise<number> {
  for (let round = 0; round < 4; round++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

async function asleep(runtime: Runtime): Promise<void> {
  skewMs += 2 * 3_600_000;
  // The sweep that sees the new time comes within five seconds, and puts all to sleep at once.
  while (runtime.locate(Profile, idOf(count - 1))?.phase !== "hibernated") {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What the same states cost in a plain `Map` by id: the floor. */
async function plainMap(entry: (index: number) => unknown): Promise<number> {
  const before = await usedMemory();
  const map = new Map<string, unknown>();
  for (let index = 0; index < count; index++) map.set(idOf(index), entry(index));
  const after = await usedMemory();
  if (map.size !== count) throw new Error("The map lost an entry.");
  return after - before;
}

const path = scratchFile("memory.db");
const writer = await createRuntime({ objects: [Profile], store: sqlite(path) });
await forAll((index) => writer.get(Profile, idOf(index)).fill(index));
await writer.stop();

const inMap = await plainMap((index) => JSON.parse(JSON.stringify(profile(index))));
const asTexts = await plainMap((index) => JSON.stringify(profile(index)));
const runtime = await createRuntime({ objects: [Profile], store: sqlite(path), environment });
await runtime.get(Profile, idOf(0)).visits();
const before = await usedMemory();
await forAll((index) => runtime.get(Profile, idOf(index)).visits());
const active = await usedMemory();
await asleep(runtime);
const hibernated = await usedMemory();
await runtime.stop();

const each = (bytes: number): number => Math.round(bytes / count);
const activeBytes = each(active - before);
const hibernatedBytes = each(hibernated - before);

report(
  {
    name: "memory",
    measures: `memory of each of ${shown(count)} objects with a state of ${stateBytes} bytes of JSON, id and table included, after a full garbage collection`,
    doesNotMeasure:
      "the page cache of SQLite and of the system, garbage between collections, objects with calls or alarms on their way",
  },
  run,
  {
    settings: { store: "sqlite", freezeState: false, objects: count, stateBytes, idBytes: idOf(0).length },
    columns: [
      { key: "what", title: "" },
      { key: "bytes", title: "bytes each" },
    ],
    rows: [
      { what: "active object", bytes: activeBytes },
      { what: "hibernated object", bytes: hibernatedBytes },
      { what: "parsed state in a plain Map", bytes: each(inMap) },
      { what: "text of the state in a plain Map", bytes: each(asTexts) },
    ],
    aims: [atMost("a hibernated object:", 1_024, " bytes", hibernatedBytes)],
    headlines: [
      {
        what: `memory of an active object with a state of ${stateBytes} bytes`,
        here: `${shown(activeBytes)} bytes`,
        byHand: `${shown(each(inMap))} bytes (parsed, in a Map)`,
      },
      {
        what: `memory of a hibernated object with a state of ${stateBytes} bytes`,
        here: `${shown(hibernatedBytes)} bytes`,
        byHand: `${shown(each(asTexts))} bytes (text, in a Map)`,
      },
    ],
  },
);
