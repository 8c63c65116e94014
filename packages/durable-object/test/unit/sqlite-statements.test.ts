/** The plans that the statements rely on, asked from SQLite itself. */

import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { checkVersion, migrate } from "../../src/sqlite/sqlite-migrations.ts";
import { prepareStatements, statements } from "../../src/sqlite/sqlite-statements.ts";

const database = new DatabaseSync(":memory:");
migrate(database, checkVersion(database, ":memory:"), 0);

function planOf(name: keyof typeof statements): readonly string[] {
  const rows = database.prepare(`EXPLAIN QUERY PLAN ${statements[name]}`).all();
  return rows.map((row) => String(row["detail"]));
}

const objectKey = "durable_objects USING INDEX sqlite_autoindex_durable_objects_1 (tenant=? AND type=? AND id=?)";
const alarmKey = "USING INDEX sqlite_autoindex_durable_object_alarms_1";
const replyKey = "USING INDEX sqlite_autoindex_durable_object_replies_1";

test.each([
  ["loadObject", [`SEARCH ${objectKey}`]],
  ["updateObject", [`SEARCH ${objectKey}`]],
  ["touchObject", [`SEARCH ${objectKey}`]],
  ["deleteObject", [`SEARCH ${objectKey}`]],
  ["cancelAlarm", [`SEARCH durable_object_alarms ${alarmKey} (tenant=? AND type=? AND id=? AND name=?)`]],
  ["cancelAlarms", [`SEARCH durable_object_alarms ${alarmKey} (tenant=? AND type=? AND id=?)`]],
  [
    "listAlarms",
    [`SEARCH durable_object_alarms ${alarmKey} (tenant=? AND type=? AND id=?)`, "USE TEMP B-TREE FOR ORDER BY"],
  ],
  ["findReply", [`SEARCH durable_object_replies ${replyKey} (tenant=? AND type=? AND id=? AND key=?)`]],
  ["deleteReplies", [`SEARCH durable_object_replies ${replyKey} (tenant=? AND type=? AND id=?)`]],
  [
    "listObjects",
    ["SEARCH durable_objects USING INDEX sqlite_autoindex_durable_objects_1 (tenant=? AND type=? AND id>?)"],
  ],
] as const)("%s", (name, plan) => {
  expect(planOf(name)).toEqual(plan);
});

test.each([
  ["sweepReplies", "durable_object_replies_expiry (expires_at<?)"],
  ["sweepTombstones", "durable_objects_deleted (deleted_at<?)"],
] as const)("%s reads only what it may forget", (name, index) => {
  const plan = planOf(name);
  expect(plan.some((step) => step.includes(`USING COVERING INDEX ${index}`))).toBe(true);
  expect(plan.filter((step) => step.startsWith("SCAN"))).toEqual([]);
});

test("the lane is found by its key", () => {
  expect(planOf("advanceLane")[0]).toBe("SEARCH durable_object_lanes USING INTEGER PRIMARY KEY (rowid=?)");
  expect(planOf("lane").filter((step) => step.startsWith("SCAN"))).toEqual([]);
});

const due = "USING INDEX durable_object_alarms_due (type=? AND due_at";
const dueByTenant = "durable_object_alarms_due_by_tenant (type=? AND tenant";

test.each([
  ["acknowledgeAlarm", `${alarmKey} (tenant=? AND type=? AND id=? AND name=?)`],
  ["attemptedAlarm", `${alarmKey} (tenant=? AND type=? AND id=? AND name=?)`],
  ["redriveAlarm", "(tenant=? AND type=? AND id=? AND name=?)"],
  ["dueAlarms", `${due}<?)`],
  ["dueAlarmsOfTenant", `USING INDEX ${dueByTenant}=? AND due_at<?)`],
  ["nextDueAfter", "INDEX durable_object_alarms_due (type=? AND due_at>?)"],
  ["nextTenant", `${dueByTenant}>?)`],
  ["hasDueAlarm", `${dueByTenant}=? AND due_at<?)`],
  ["nextAlarmType", "INDEX durable_object_alarms_due (type>?)"],
  ["deadAlarms", "durable_object_alarms_dead (tenant=? AND type=? AND (id,name)>(?,?))"],
] as const)("%s reads what it returns, in the order of an index", (name, index) => {
  const plan = planOf(name);
  expect(plan).toHaveLength(1);
  expect(plan[0]).toMatch(/^SEARCH durable_object_alarms /);
  expect(plan[0]).toContain(index);
});

test("with many alarms pending, asking for the due ones costs what it costs with few", () => {
  const pending = 100_000;
  const full = new DatabaseSync(":memory:");
  migrate(full, checkVersion(full, ":memory:"), 0);
  full.exec(`
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${pending})
    INSERT INTO durable_object_alarms (tenant, type, id, name, due_at, generation)
    SELECT 't' || (n % 3), 'counter', 'id' || n, 'ring', 1000000 + n, 1 FROM numbers;
    INSERT INTO durable_object_alarms (tenant, type, id, name, due_at, generation) VALUES ('t0', 'counter', 'due', 'ring', 5, 1);
    ANALYZE;`);
  const prepared = prepareStatements(full);
  // The plan is the same when SQLite knows how much there is.
  for (const name of ["dueAlarms", "dueAlarmsOfTenant", "nextDueAfter", "hasDueAlarm"] as const) {
    const rows = full.prepare(`EXPLAIN QUERY PLAN ${statements[name]}`).all();
    expect(rows.map((row) => String(row["detail"])).join(), name).toMatch(/^SEARCH [^,]*durable_object_alarms_due/);
  }
  const startedMs = performance.now();
  for (let look = 0; look < 1_000; look++) {
    expect(prepared.dueAlarms.all("counter", 10, 1_024)).toHaveLength(1);
    expect(prepared.nextDueAfter.get("counter", 10)).toEqual({ dueAt: 1_000_001 });
  }
  // A scan of the pending ones would take milliseconds for each; this takes microseconds.
  expect((performance.now() - startedMs) / 1_000).toBeLessThan(1);
});
