/**
 * The raw cost of the library's commits: the same statements on the same tables, with nothing around them.
 * What `node:sqlite` takes for a batch of that many rows is the floor that no library gets below.
 */

import { DatabaseSync } from "node:sqlite";
import { prepareStatements } from "../../src/sqlite/sqlite-statements.ts";
import { openCounters } from "./counter.ts";
import { openDurably } from "./hand-written.ts";
import { scratchFile } from "./scratch.ts";

/** Commits without the library. */
export interface RawBatches {
  /** Commits `rows` counters, chosen by `next`. */
  commit(rows: number, next: () => number): void;
  close(): void;
}

/** Opens a file that the library has filled with counters, to be written without it. */
export async function rawBatches(ids: readonly string[]): Promise<RawBatches> {
  const path = scratchFile("raw.db");
  const { runtime } = await openCounters(path, ids);
  await runtime.stop();
  const database = openDurably(path);
  const sql = prepareStatements(database);
  const lane = database.prepare("SELECT epoch, number FROM durable_object_lanes WHERE lane = 0").get();
  const epoch = lane?.["epoch"] as number;
  let number = lane?.["number"] as number;
  const revisions = new Map(ids.map((id) => [id, sql.loadObject.get("", "counter", id)?.["revision"] as number]));
  return {
    commit(rows, next) {
      const at = Date.now();
      const chosen = new Set<string>();
      while (chosen.size < rows) chosen.add(ids[next()] ?? "");
      sql.begin.run();
      expectOne(sql.advanceLane.run(number + 1, epoch, number).changes);
      number += 1;
      for (const id of chosen) {
        const revision = revisions.get(id) ?? 0;
        expectOne(sql.updateObject.run(`{"n":${revision}}`, 1, at, at, "", "counter", id, revision).changes);
        revisions.set(id, revision + 1);
      }
      sql.commit.run();
    },
    close: () => database.close(),
  };
}

function expectOne(changes: number | bigint): void {
  if (changes !== 1) throw new Error(`A statement changed ${changes} rows instead of one.`);
}

/** How many commits a file has seen, and how many rows they wrote; read beside its owner. */
export interface CommitCount {
  readonly commits: number;
  readonly rows: number;
}

/** Counts what the owner of a file commits. */
export function commitCounter(path: string): () => CommitCount {
  const database = new DatabaseSync(path, { readOnly: true });
  const lane = database.prepare("SELECT number FROM durable_object_lanes WHERE lane = 0");
  const revisions = database.prepare("SELECT sum(revision) AS rows FROM durable_objects");
  return () => ({
    commits: lane.get()?.["number"] as number,
    rows: revisions.get()?.["rows"] as number,
  });
}
