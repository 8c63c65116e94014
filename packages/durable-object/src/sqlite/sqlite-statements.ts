/**
 * Every statement of the SQLite store, with the plan it relies on. A test asks SQLite for the plans.
 *
 * Each is prepared once per connection (preparing again costs 2.5 times the statement itself). Parameters
 * are given in the order of the question marks.
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";

export const statements = {
  begin: "BEGIN IMMEDIATE",
  beginRead: "BEGIN DEFERRED",
  commit: "COMMIT",
  rollback: "ROLLBACK",

  // The fence: changes one row, or nobody may write. Primary key on both sides; tables of one row.
  advanceLane: `
    UPDATE durable_object_lanes SET number = ?, stale = NULL
    WHERE lane = 0 AND epoch = ? AND number = ?
      AND epoch = (SELECT epoch FROM durable_object_owner WHERE id = 1)`,
  closeEpoch: "UPDATE durable_object_owner SET closed = 1 WHERE id = 1 AND epoch = ?",
  recordStale: "UPDATE durable_object_lanes SET stale = ? WHERE lane = 0",
  lane: `
    SELECT lanes.epoch AS epoch, owner.epoch AS ownerEpoch, lanes.number AS number, lanes.stale AS stale
    FROM durable_object_lanes AS lanes, durable_object_owner AS owner
    WHERE lanes.lane = 0 AND owner.id = 1`,

  // Primary key.
  loadObject: `
    SELECT revision, state, state_version AS stateVersion FROM durable_objects
    WHERE tenant = ? AND type = ? AND id = ?`,
  // Primary key; an object that is there already, its tombstone included, is left alone.
  insertObject: `
    INSERT INTO durable_objects
      (tenant, type, id, state, revision, state_version, created_at, updated_at, deleted_at)
    VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?)
    ON CONFLICT (tenant, type, id) DO NOTHING`,
  // Primary key. An object that is written after its deletion begins anew.
  updateObject: `
    UPDATE durable_objects
    SET state = ?, revision = revision + 1, state_version = ?, updated_at = ?, deleted_at = NULL,
      created_at = CASE WHEN deleted_at IS NULL THEN created_at ELSE ? END
    WHERE tenant = ? AND type = ? AND id = ? AND revision = ?`,
  // Primary key. The state stays, and with it the version of its shape.
  touchObject: `
    UPDATE durable_objects
    SET revision = revision + 1, updated_at = ?, deleted_at = NULL,
      created_at = CASE WHEN deleted_at IS NULL THEN created_at ELSE ? END
    WHERE tenant = ? AND type = ? AND id = ? AND revision = ?`,
  // Primary key.
  deleteObject: `
    UPDATE durable_objects
    SET state = NULL, revision = revision + 1, updated_at = ?, deleted_at = ?
    WHERE tenant = ? AND type = ? AND id = ? AND revision = ?`,

  // Primary key, whole or its first three columns.
  setAlarm: `
    INSERT INTO durable_object_alarms (tenant, type, id, name, due_at, scheduled_at, generation, payload, rule)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (tenant, type, id, name) DO UPDATE
    SET due_at = excluded.due_at, scheduled_at = excluded.scheduled_at, generation = excluded.generation, payload = excluded.payload,
      rule = excluded.rule, attempts = 0, status = 'set', last_error = NULL, suspect = 0`,
  acknowledgeAlarm: `
    DELETE FROM durable_object_alarms WHERE tenant = ? AND type = ? AND id = ? AND name = ? AND generation = ?`,
  attemptedAlarm: `
    UPDATE durable_object_alarms SET due_at = ?, attempts = ?, status = ?, last_error = ?, suspect = 0
    WHERE tenant = ? AND type = ? AND id = ? AND name = ? AND generation = ?`,
  redriveAlarm: `
    UPDATE durable_object_alarms SET due_at = ?, attempts = 0, status = 'set'
    WHERE tenant = ? AND type = ? AND id = ? AND name = ? AND status = 'dead'`,
  cancelAlarm: "DELETE FROM durable_object_alarms WHERE tenant = ? AND type = ? AND id = ? AND name = ?",
  cancelAlarms: "DELETE FROM durable_object_alarms WHERE tenant = ? AND type = ? AND id = ?",
  // Primary key by its first three columns, then a sort of one object's alarms.
  listAlarms: `
    SELECT name, due_at AS dueAt, scheduled_at AS scheduledAt, generation, payload, rule, attempts, status, last_error AS lastError
    FROM durable_object_alarms
    WHERE tenant = ? AND type = ? AND id = ?
    ORDER BY due_at, name`,

  // The front of the index on (type, due_at) of alarms that are set: reads what it returns.
  dueAlarms: `
    SELECT tenant, type, id, name, due_at AS dueAt, scheduled_at AS scheduledAt, generation, payload, rule, attempts, status,
      last_error AS lastError, suspect
    FROM durable_object_alarms
    WHERE status = 'set' AND type = ? AND due_at <= ?
    ORDER BY due_at LIMIT ?`,
  // The same by the index on (type, tenant, due_at).
  dueAlarmsOfTenant: `
    SELECT tenant, type, id, name, due_at AS dueAt, scheduled_at AS scheduledAt, generation, payload, rule, attempts, status,
      last_error AS lastError, suspect
    FROM durable_object_alarms
    WHERE status = 'set' AND type = ? AND tenant = ? AND due_at <= ?
    ORDER BY due_at LIMIT ?`,
  // One step into the index on (type, due_at).
  nextDueAfter: `
    SELECT due_at AS dueAt FROM durable_object_alarms
    WHERE status = 'set' AND type = ? AND due_at > ?
    ORDER BY due_at LIMIT 1`,
  // One step into the index on (type, tenant, due_at) for each tenant: from one to the next.
  nextTenant: `
    SELECT tenant FROM durable_object_alarms
    WHERE status = 'set' AND type = ? AND tenant > ?
    ORDER BY tenant LIMIT 1`,
  hasDueAlarm: `
    SELECT 1 AS due FROM durable_object_alarms
    WHERE status = 'set' AND type = ? AND tenant = ? AND due_at <= ? LIMIT 1`,
  // One step into the index on (type, due_at) for each type.
  nextAlarmType: `
    SELECT type FROM durable_object_alarms
    WHERE status = 'set' AND type > ?
    ORDER BY type LIMIT 1`,
  // A range of the index of dead alarms, in its order.
  deadAlarms: `
    SELECT tenant, type, id, name, due_at AS dueAt, scheduled_at AS scheduledAt, generation, payload, rule, attempts, status,
      last_error AS lastError, suspect
    FROM durable_object_alarms
    WHERE status = 'dead' AND tenant = ? AND type = ? AND (id, name) > (?, ?)
    ORDER BY id, name LIMIT ?`,

  // Primary key; a reply that is recorded stays, unless it has expired.
  recordReply: `
    INSERT INTO durable_object_replies (tenant, type, id, key, fingerprint, result, expires_at)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (tenant, type, id, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, result = excluded.result, expires_at = excluded.expires_at
    WHERE durable_object_replies.expires_at < ?`,
  // Primary key.
  findReply: `
    SELECT key, fingerprint, result, expires_at AS expiresAt FROM durable_object_replies
    WHERE tenant = ? AND type = ? AND id = ? AND key = ? AND expires_at >= ?`,
  // Primary key by its first three columns.
  deleteReplies: "DELETE FROM durable_object_replies WHERE tenant = ? AND type = ? AND id = ?",

  // A range of the primary key, in its order: reads `limit` rows and the tombstones between them.
  listObjects: `
    SELECT id, revision, created_at AS createdAt, updated_at AS updatedAt FROM durable_objects
    WHERE tenant = ? AND type = ? AND id > ? AND deleted_at IS NULL
    ORDER BY id LIMIT ?`,

  // A range of the index on the expiry.
  sweepReplies: `
    DELETE FROM durable_object_replies
    WHERE rowid IN (SELECT rowid FROM durable_object_replies WHERE expires_at < ? LIMIT ?)`,
  // A range of the index on the deletion, which holds tombstones only.
  sweepTombstones: `
    DELETE FROM durable_objects
    WHERE rowid IN (SELECT rowid FROM durable_objects WHERE deleted_at < ? LIMIT ?)`,
} as const;

/** The prepared statements of one connection. */
export type PreparedStatements = { readonly [Name in keyof typeof statements]: StatementSync };

/** Prepares all statements; fails if a table or a column is missing. */
export function prepareStatements(database: DatabaseSync): PreparedStatements {
  const prepared = Object.entries(statements).map(([name, sql]) => [name, database.prepare(sql)] as const);
  return Object.fromEntries(prepared) as PreparedStatements;
}
