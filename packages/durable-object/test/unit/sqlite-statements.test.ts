/** The plans that the statements rely on, asked from SQLite itself. */

import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { checkVersion, migrate } from "../../src/sqlite/sqlite-migrations.ts";
import { statements } from "../../src/sqlite/sqlite-statements.ts";

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
