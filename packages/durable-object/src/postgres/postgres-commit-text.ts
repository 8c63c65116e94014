/**
 * The SQL of a commit: one statement for a whole batch.
 *
 * It first locks the row of its lane, and only if that row is alive and one behind the batch's number. All
 * else is joined to it, so without that row nothing is written. Then objects are written that are at the
 * revision their write builds on; the indexes of those that are not are what is stale. Alarms and replies
 * follow for the others. Last, the lane gets the number and the stale indexes. So a batch is applied once,
 * under its number, and a repetition finds its answer in the lane.
 *
 * Why a lock and not a condition: a takeover sets the lane's `alive` to null. A statement that only looked
 * would look at the snapshot of its start. The lock waits for a takeover that is under way, and then sees what
 * it left; and a takeover waits for the commit that holds the lane.
 *
 * Lists come as arrays, one for each column, which `unnest` turns into rows. The parts of a statement that a
 * batch does not need cost time all the same, so there are a few shapes of it.
 */

import { namesOf, rowsOf, type ColumnTypes } from "./postgres-columns.ts";
import { commitLane } from "./postgres-statements.ts";

/** What a batch contains besides objects. Removals come with the other two. */
export type CommitShape = "objects" | "replies" | "alarms" | "alarms and replies" | "everything";

const object = { write: "integer", tenant: "text", type: "text", id: "text" } as const satisfies ColumnTypes;
const reply = { ...object, key: "text", fingerprint: "text", result: "text", expires_at: "bigint" } as const;

/** The lists that go into a commit, with their columns. `write` is the index of the write, from 1. */
export const commitLists = {
  /** Every write. `base` is the revision it builds on; without a `state` the stored one stays. */
  writes: {
    tenant: "text",
    type: "text",
    id: "text",
    slot: "smallint",
    base: "bigint",
    state: "jsonb",
    state_version: "integer",
    deleted: "boolean",
  },
  /** Alarms that are set. */
  set: {
    ...object,
    name: "text",
    slot: "smallint",
    due_at: "bigint",
    generation: "bigint",
    payload: "json",
    rule: "json",
  },
  /** Alarms that go; `generation` is null if it does not matter. */
  removed: { ...object, name: "text", generation: "bigint" },
  /** Alarms that were started and not handled; `generation` is null for a dead one that is tried again. */
  attempted: {
    ...object,
    name: "text",
    generation: "bigint",
    due_at: "bigint",
    attempts: "integer",
    status: "text",
    last_error: "text",
  },
  /** Replies that are recorded, unless there is one. */
  replies: reply,
  /** Objects whose alarms all go, but those in `kept_alarms` (the index of the write, and the name). */
  emptied: object,
  kept_alarms: { kept: "text" },
  /** Objects whose replies all go, but those in `kept_replies` (the index of the write, and the key). */
  forgotten: object,
  kept_replies: { kept: "text" },
  /** Replies that are recorded, whatever was there. */
  replaced: reply,
} as const satisfies Readonly<Record<string, ColumnTypes>>;

/** The name of a list. */
export type CommitList = keyof typeof commitLists;

const alarmLists = ["set", "removed", "attempted"] as const;

/** The lists of a shape, in the order of their parameters. */
export const shapeLists: Readonly<Record<CommitShape, readonly CommitList[]>> = {
  objects: ["writes"],
  replies: ["writes", "replies"],
  alarms: ["writes", ...alarmLists],
  "alarms and replies": ["writes", ...alarmLists, "replies"],
  everything: ["writes", ...alarmLists, "replies", "emptied", "kept_alarms", "forgotten", "kept_replies", "replaced"],
};

/** $1 is the node, $2 the number, $3 the time of the batch; then come the lists. */
const fixedParameters = 3;

/** Whether an alarm or a reply belongs to a write that was applied. */
const isApplied = (list: string): string => `(judged.stale IS NULL OR ${list}.write <> ALL (judged.stale))`;

/** The statement of a shape, with `@schema` for the schema. */
export function commitText(shape: CommitShape): string {
  const lists = shapeLists[shape];
  const from = (list: CommitList): string => {
    let first = fixedParameters + 1;
    for (const before of lists.slice(0, lists.indexOf(list))) first += Object.keys(commitLists[before]).length;
    return rowsOf(commitLists[list], first);
  };
  const rows = (list: CommitList): string => `${from(list)} AS ${list} (${namesOf(commitLists[list])})`;
  const parts = [
    `lane AS MATERIALIZED (
  SELECT 1 FROM @schema.durable_object_lanes
  WHERE node = $1::uuid AND lane = ${commitLane} AND number = $2::bigint - 1 AND alive IS NOT NULL
  FOR UPDATE
)`,
    `writes AS MATERIALIZED (
  SELECT * FROM ${from("writes")} WITH ORDINALITY AS writes (${namesOf(commitLists.writes)}, write)
)`,
    // Primary key, once for each write; the state is not touched, not even read, where a write brings none.
    `updated AS (
  UPDATE @schema.durable_objects AS o
  SET state = CASE WHEN w.deleted THEN NULL ELSE coalesce(w.state, o.state) END,
    state_version = CASE WHEN w.state IS NULL THEN o.state_version ELSE w.state_version END,
    revision = o.revision + 1,
    updated_at = $3::bigint,
    created_at = CASE WHEN o.deleted_at IS NULL OR w.deleted THEN o.created_at ELSE $3::bigint END,
    deleted_at = CASE WHEN w.deleted THEN $3::bigint END
  FROM lane, writes AS w
  WHERE w.base > 0 AND o.tenant = w.tenant AND o.type = w.type AND o.id = w.id AND o.revision = w.base
  RETURNING o.tenant, o.type, o.id
)`,
    `inserted AS (
  INSERT INTO @schema.durable_objects
    (tenant, type, id, slot, state_version, revision, created_at, updated_at, deleted_at, state)
  SELECT w.tenant, w.type, w.id, w.slot, w.state_version, 1, $3::bigint, $3::bigint,
    CASE WHEN w.deleted THEN $3::bigint END, w.state
  FROM lane, writes AS w WHERE w.base = 0
  ON CONFLICT DO NOTHING
  RETURNING tenant, type, id
)`,
    // Which ones is asked only if some are missing.
    `judged AS MATERIALIZED (
  SELECT CASE WHEN
    (SELECT count(*) FROM updated) + (SELECT count(*) FROM inserted) < (SELECT count(*) FROM writes)
  THEN ARRAY(
    SELECT w.write::integer FROM writes AS w
    WHERE (w.tenant, w.type, w.id) NOT IN (
      SELECT tenant, type, id FROM updated UNION ALL SELECT tenant, type, id FROM inserted)
    ORDER BY 1)
  END AS stale
  FROM lane
)`,
  ];
  if (lists.includes("set")) {
    parts.push(
      `removed_alarms AS (
  DELETE FROM @schema.durable_object_alarms AS a USING judged, ${rows("removed")}
  WHERE ${isApplied("removed")} AND a.tenant = removed.tenant AND a.type = removed.type AND a.id = removed.id
    AND a.name = removed.name AND (removed.generation IS NULL OR a.generation = removed.generation)
)`,
      `attempted_alarms AS (
  UPDATE @schema.durable_object_alarms AS a
  SET due_at = attempted.due_at, attempts = attempted.attempts, status = attempted.status,
    last_error = CASE WHEN attempted.generation IS NULL THEN a.last_error ELSE attempted.last_error END,
    suspect = a.suspect AND attempted.generation IS NULL
  FROM judged, ${rows("attempted")}
  WHERE ${isApplied("attempted")} AND a.tenant = attempted.tenant AND a.type = attempted.type
    AND a.id = attempted.id AND a.name = attempted.name
    AND CASE WHEN attempted.generation IS NULL THEN a.status = 'dead' ELSE a.generation = attempted.generation END
)`,
      `set_alarms AS (
  INSERT INTO @schema.durable_object_alarms
    (tenant, type, id, name, slot, due_at, scheduled_at, generation, payload, rule)
  SELECT set.tenant, set.type, set.id, set.name, set.slot, set.due_at, set.due_at, set.generation, set.payload, set.rule
  FROM judged, ${rows("set")} WHERE ${isApplied("set")}
  ON CONFLICT (tenant, type, id, name) DO UPDATE
  SET due_at = excluded.due_at, scheduled_at = excluded.scheduled_at, generation = excluded.generation,
    payload = excluded.payload, rule = excluded.rule, attempts = 0, status = 'set', last_error = NULL, suspect = false
)`,
    );
  }
  if (lists.includes("replies"))
    parts.push(recorded("recorded_replies", "replies", rows("replies"), "r.expires_at < $3"));
  if (lists.includes("emptied")) {
    parts.push(
      `emptied_objects AS (
  DELETE FROM @schema.durable_object_alarms AS a USING judged, ${rows("emptied")}
  WHERE ${isApplied("emptied")} AND a.tenant = emptied.tenant AND a.type = emptied.type AND a.id = emptied.id
    AND concat(emptied.write, ' ', a.name) NOT IN (SELECT * FROM ${from("kept_alarms")})
)`,
      `forgotten_replies AS (
  DELETE FROM @schema.durable_object_replies AS r USING judged, ${rows("forgotten")}
  WHERE ${isApplied("forgotten")} AND r.tenant = forgotten.tenant AND r.type = forgotten.type
    AND r.id = forgotten.id AND concat(forgotten.write, ' ', r.key) NOT IN (SELECT * FROM ${from("kept_replies")})
)`,
      recorded("replaced_replies", "replaced", rows("replaced"), "true"),
    );
  }
  return `
WITH ${parts.join(", ")}
UPDATE @schema.durable_object_lanes AS l SET number = $2::bigint, stale = judged.stale, advanced_at = now()
FROM judged WHERE l.node = $1::uuid AND l.lane = ${commitLane}
RETURNING array_to_json(l.stale)`;
}

function recorded(name: string, list: CommitList, rows: string, replaces: string): string {
  return `${name} AS (
  INSERT INTO @schema.durable_object_replies AS r (tenant, type, id, key, expires_at, fingerprint, result)
  SELECT ${list}.tenant, ${list}.type, ${list}.id, ${list}.key, ${list}.expires_at, ${list}.fingerprint, ${list}.result
  FROM judged, ${rows} WHERE ${isApplied(list)}
  ON CONFLICT (tenant, type, id, key) DO UPDATE
  SET expires_at = excluded.expires_at, fingerprint = excluded.fingerprint, result = excluded.result
  WHERE ${replaces}
)`;
}
