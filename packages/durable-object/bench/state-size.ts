/**
 * Claim: a large state is written once for each commit, not once for each call, so that many callers of one
 * large object still get far with one disk.
 *
 * The state is a list of records of about 100 bytes, and each call replaces one of them. By hand this is a
 * row that is read, parsed, changed, written as text and stored, in one transaction for each call.
 *
 *   node bench/state-size.ts [--quick] [--seconds N]
 */

import { createRuntime, defineObject, reply } from "../src/index.ts";
import { sqlite } from "../src/sqlite/index.ts";
import { openDurably } from "./support/hand-written.ts";
import { callUntil, median, medianRate, medianRatio, takeTurns, type Slice } from "./support/measure.ts";
import { commitCounter } from "./support/raw-batch.ts";
import { perSecond, report, times } from "./support/report.ts";
import { scratchFile } from "./support/scratch.ts";
import { readSettings } from "./support/settings.ts";

process.env["NODE_ENV"] ??= "production";
const run = readSettings();

interface Item {
  readonly sku: string;
  readonly quantity: number;
  readonly text: string;
}

const makeItem = (index: number, quantity: number): Item => ({
  sku: `sku-${String(index).padStart(6, "0")}`,
  quantity,
  text: "a line of an order, long enough for a hundred by",
});

const Order = defineObject({
  type: "order",
  state: { items: [] as readonly Item[] },
  handlers: {
    fill: (_context, items: number) =>
      reply(items, { items: Array.from({ length: items }, (_, index) => makeItem(index, 1_000_000)) }),
    change: ({ state }, index: number, quantity: number) =>
      reply(quantity, { items: state.items.with(index, makeItem(index, quantity)) }),
  },
});

/** Orders without the library. */
function orderByHand(items: readonly Item[]): {
  change: (index: number, quantity: number) => number;
  close: () => void;
} {
  const database = openDurably(scratchFile("by-hand.db"));
  database.exec("CREATE TABLE orders (id TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT");
  database.prepare("INSERT INTO orders VALUES ('order', ?)").run(JSON.stringify({ items }));
  const select = database.prepare("SELECT state FROM orders WHERE id = 'order'");
  const update = database.prepare("UPDATE orders SET state = ? WHERE id = 'order'");
  const begin = database.prepare("BEGIN IMMEDIATE");
  const commit = database.prepare("COMMIT");
  return {
    change(index, quantity) {
      begin.run();
      const state = JSON.parse(select.get()?.["state"] as string) as { items: Item[] };
      state.items[index] = makeItem(index, quantity);
      update.run(JSON.stringify(state));
      commit.run();
      return quantity;
    },
    close: () => database.close(),
  };
}

interface LibrarySlice extends Slice {
  readonly commits: number;
}

const rows = [];
for (const kilobytes of [1, 10, 100, 1_000]) {
  const itemCount = kilobytes * 10;
  const items = Array.from({ length: itemCount }, (_, index) => makeItem(index, 1_000_000));
  const stateBytes = JSON.stringify({ items }).length;
  const path = scratchFile("library.db");
  const runtime = await createRuntime({ objects: [Order], store: sqlite(path), callTimeout: "1m" });
  const order = runtime.get(Order, "order");
  await order.fill(itemCount);
  const countCommits = commitCounter(path);
  const hand = orderByHand(items);
  let quantity = 1_000_000;
  const change = (): [number, number] => [++quantity % itemCount, quantity];
  for (const callers of [1, 64]) {
    const [library, byHand] = await takeTurns(
      [
        {
          name: "library",
          async run(seconds): Promise<LibrarySlice> {
            const before = countCommits().commits;
            const slice = await callUntil({ callers, seconds, stride: callers }, () => order.change(...change()));
            return { ...slice, commits: countCommits().commits - before };
          },
        },
        {
          name: "by hand",
          run: (seconds) => callUntil({ callers, seconds }, async () => hand.change(...change())),
        },
      ] as const,
      run,
    );
    const commitRate = median(library.map(({ commits, seconds }) => commits / seconds));
    const rate = medianRate(library);
    rows.push({
      stateBytes,
      callers,
      library: rate,
      byHand: medianRate(byHand),
      ratio: medianRatio(library, byHand),
      commits: commitRate,
      written: (commitRate * stateBytes) / 1e6,
    });
  }
  await runtime.stop();
  hand.close();
}

report(
  {
    name: "state-size",
    measures:
      "durable changes of one record in a state of that size, one object, against reading, parsing, changing and writing the row in one transaction for each call",
    doesNotMeasure:
      "a state that is one long text (cheaper), changes of the whole state (dearer), many large objects at once, other disks",
  },
  run,
  {
    settings: { store: "sqlite", synchronous: "full", freezeState: false, objects: 1, recordBytes: 100 },
    columns: [
      { key: "stateBytes", title: "state bytes" },
      { key: "callers", title: "callers" },
      { key: "library", title: "calls/s" },
      { key: "byHand", title: "by hand/s" },
      { key: "ratio", title: "ratio", digits: 1, unit: " ×" },
      { key: "commits", title: "commits/s" },
      { key: "written", title: "MB/s of state", digits: 1 },
    ],
    rows,
    aims: [],
    headlines: rows
      .filter(({ callers, stateBytes }) => callers === 64 && stateBytes > 50_000 && stateBytes < 500_000)
      .map(({ library, byHand, ratio }) => ({
        what: "durable changes of one object with a state of 100 KB, 64 in flight",
        here: `${perSecond(library)} (${times(ratio)})`,
        byHand: `${perSecond(byHand)} (SELECT, change, UPDATE)`,
      })),
  },
);
