/**
 * Durable increments in four ways, taking turns: with the library, by hand (with `all()` and with `get()`),
 * and the raw cost of the library's commits.
 */

import { DatabaseSync } from "node:sqlite";
import { Counter, counterIds, openCounters } from "./counter.ts";
import { handWrittenCounters } from "./hand-written.ts";
import { callUntil, chooser, median, medianRate, medianRatio, repeatUntil, takeTurns, type Slice } from "./measure.ts";
import { commitCounter, rawBatches } from "./raw-batch.ts";
import type { Column } from "./report.ts";
import { scratchFile } from "./scratch.ts";
import type { Settings } from "./settings.ts";

/** A slice of the library's work, with the commits it took. */
interface LibrarySlice extends Slice {
  readonly commits: number;
  readonly rows: number;
}

/** What is measured for one number of objects and callers. */
export interface IncrementRow {
  readonly [key: string]: number;
  readonly objects: number;
  readonly callers: number;
  readonly library: number;
  readonly byHand: number;
  readonly ratio: number;
  readonly byGet: number;
  readonly ratioToGet: number;
  readonly callsPerCommit: number;
  readonly rowsPerCommit: number;
  readonly commitUs: number;
  readonly rawCommitUs: number;
  readonly latencyMs: number;
  /** The slowest and the fastest slice of the library: how calm the machine was. */
  readonly lowest: number;
  readonly highest: number;
}

/** The table of increments. */
export const incrementColumns: readonly Column[] = [
  { key: "objects", title: "objects" },
  { key: "callers", title: "callers" },
  { key: "library", title: "calls/s" },
  { key: "byHand", title: "by hand/s" },
  { key: "ratio", title: "ratio", digits: 2, unit: " ×" },
  { key: "byGet", title: "with get()/s" },
  { key: "ratioToGet", title: "ratio to get()", digits: 2, unit: " ×" },
  { key: "callsPerCommit", title: "calls per commit", digits: 1 },
  { key: "rowsPerCommit", title: "rows per commit", digits: 1 },
  { key: "commitUs", title: "µs per commit" },
  { key: "rawCommitUs", title: "raw µs per commit" },
  { key: "latencyMs", title: "mean latency ms", digits: 2 },
];

/** Measures increments of `objects` counters by each number of callers. */
export async function measureIncrements(
  objects: number,
  callerCounts: readonly number[],
  settings: Settings,
): Promise<IncrementRow[]> {
  const ids = counterIds(objects);
  const { runtime, path } = await openCounters(scratchFile("library.db"), ids);
  const countCommits = commitCounter(path);
  const byHand = handWrittenCounters(ids);
  const byGet = handWrittenCounters(ids, "get");
  const raw = await rawBatches(ids);
  const hot = objects === 1 ? runtime.get(Counter, ids[0] ?? "") : null;
  const next = chooser(objects);
  const id = (): string => ids[next()] ?? "";
  let answered = 0;
  let rowsPerCommit = 1;
  const runLibrary = async (callers: number, seconds: number): Promise<LibrarySlice> => {
    const before = countCommits();
    const slice = await callUntil({ callers, seconds, stride: callers }, () =>
      (hot ?? runtime.get(Counter, id())).increment(1),
    );
    const after = countCommits();
    answered += slice.calls;
    const commits = after.commits - before.commits;
    const written = after.rows - before.rows;
    rowsPerCommit = Math.min(objects, Math.max(1, Math.round(written / commits)));
    return { ...slice, commits, rows: written };
  };
  /** As many rows in a commit as the library has just written. */
  const commitRaw = (): number => {
    raw.commit(rowsPerCommit, next);
    return 1;
  };
  const rows: IncrementRow[] = [];
  for (const callers of callerCounts) {
    const [library, hand, handByGet, floor] = await takeTurns(
      [
        { name: "library", run: (seconds: number) => runLibrary(callers, seconds) },
        {
          name: "by hand",
          run: (seconds) => callUntil({ callers, seconds }, () => byHand.increment(id(), 1)),
        },
        {
          name: "by hand with get()",
          run: (seconds) => callUntil({ callers, seconds }, () => byGet.increment(id(), 1)),
        },
        { name: "raw", run: (seconds) => Promise.resolve(repeatUntil(seconds, commitRaw)) },
      ] as const,
      settings,
    );
    const rate = medianRate(library);
    rows.push({
      objects,
      callers,
      library: rate,
      byHand: medianRate(hand),
      ratio: medianRatio(library, hand),
      byGet: medianRate(handByGet),
      ratioToGet: medianRatio(library, handByGet),
      callsPerCommit: median(library.map(({ calls, commits }) => calls / commits)),
      rowsPerCommit: median(library.map(({ rows: written, commits }) => written / commits)),
      commitUs: 1e6 / median(library.map(({ commits, seconds }) => commits / seconds)),
      rawCommitUs: 1e6 / medianRate(floor),
      latencyMs: (callers / rate) * 1_000,
      lowest: Math.min(...library.map(({ calls, seconds }) => calls / seconds)),
      highest: Math.max(...library.map(({ calls, seconds }) => calls / seconds)),
    });
  }
  await runtime.stop();
  expectSum(path, objects + answered);
  byHand.close();
  byGet.close();
  raw.close();
  return rows;
}

/** Every call that was answered is in the file, once. */
function expectSum(path: string, expected: number): void {
  const database = new DatabaseSync(path, { readOnly: true });
  const sum = database.prepare("SELECT sum(state ->> 'n') AS sum FROM durable_objects").get()?.["sum"];
  database.close();
  if (sum !== expected) throw new Error(`The file has ${String(sum)} increments, and ${expected} were answered.`);
}
