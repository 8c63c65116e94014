/**
 * Claim: calls of one object that arrive together share one commit, so a hot object takes far more durable
 * calls than one statement for each call would.
 *
 *   node bench/hot-object.ts [--quick] [--seconds N]
 */

import { incrementColumns, measureIncrements } from "./support/increments.ts";
import { atLeast, counted, perSecond, report, shown, times } from "./support/report.ts";
import { readSettings } from "./support/settings.ts";

process.env["NODE_ENV"] ??= "production";
const run = readSettings();
const rows = await measureIncrements(1, [1, 64, 1_024], run);
const aims: Readonly<Record<number, number>> = { 1: 0.9, 64: 40, 1_024: 150 };

report(
  {
    name: "hot-object",
    measures:
      "durable increments of one object, each answered after its commit is on the disk, against one prepared UPDATE … RETURNING for each call, and against the same commits without the library",
    doesNotMeasure:
      "a network or HTTP in front, several processes, handlers that wait, a state larger than one number, other disks",
  },
  run,
  {
    settings: {
      store: "sqlite",
      synchronous: "full",
      worker: false,
      freezeState: false,
      stateBytes: 10,
      stub: "held by the callers",
    },
    columns: incrementColumns,
    rows,
    aims: rows.map(({ callers, ratio }) =>
      atLeast(`one object, ${counted(callers, "caller")}:`, aims[callers] ?? 0, " × by hand", ratio),
    ),
    headlines: rows.map(({ callers, library, byHand, ratio }) => ({
      what: `durable increments of one object, ${shown(callers)} in flight`,
      here: `${perSecond(library)} (${times(ratio)})`,
      byHand: perSecond(byHand),
    })),
  },
);
