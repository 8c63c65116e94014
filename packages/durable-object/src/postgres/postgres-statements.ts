/**
 * Every statement of the PostgreSQL store besides the commit, with the plan it relies on. A test asks the
 * server for the plans. `now()` is the clock of the database; times of alarms and replies come as parameters.
 */

import type { Statement } from "./postgres-pool.ts";
import { statementOf } from "./postgres-pool.ts";
import { quoted } from "./postgres-options.ts";

/** The lane of commits. */
export const commitLane = 0;
/** The lane of changes of ownership. */
export const controlLane = -1;
/** The lane of sweeping, which must hold up neither. */
const sweepLane = -2;

const alarmColumns = "name, due_at, scheduled_at, generation, payload, rule, attempts, status, last_error";
const addressedAlarmColumns = `tenant, type, id, suspect, ${alarmColumns}`;

/** A recursive part of a statement: all types with alarms that are set, and null. */
export const alarmTypes = `types (type) AS (
      (SELECT type FROM @schema.durable_object_alarms WHERE status = 'set' ORDER BY type LIMIT 1)
      UNION ALL
      SELECT (
        SELECT a.type FROM @schema.durable_object_alarms AS a
        WHERE a.status = 'set' AND a.type > types.type
        ORDER BY a.type LIMIT 1
      ) FROM types WHERE types.type IS NOT NULL
    )`;

/** How many alarms become suspects at a time. */
const mostSuspects = 10_000;

/**
 * Makes suspects of the alarms that are due: ranges of the index on (type, slot, due_at), for every type and each slot.
 * After a flood these are the ones that were due longest, which ran first: nobody is to wait until a million rows are
 * written. If it was another one, and the next owner dies of it, too, the next ones become suspects.
 *
 * @param slots - a part of the statement that has them
 * @param now - an expression, in ms since 1970
 */
export function suspectDue(slots: string, now: string): string {
  return `UPDATE @schema.durable_object_alarms SET suspect = true WHERE ctid = ANY (ARRAY(
      SELECT due.ctid FROM types CROSS JOIN ${slots} AS theirs CROSS JOIN LATERAL (
        SELECT a.ctid, a.due_at FROM @schema.durable_object_alarms AS a
        WHERE a.status = 'set' AND a.type = types.type AND a.slot = theirs.slot AND a.due_at <= ${now}
          AND NOT a.suspect
        ORDER BY a.due_at
      ) AS due ORDER BY due.due_at LIMIT ${mostSuspects}))`;
}

const texts = {
  // Primary key, once for each address. The arrays are selected, so that the planner does not count what is in
  // them: a plan for one address looks cheaper than the general one, and would be made anew for every load.
  loadObjects: `
    SELECT wanted.index, o.revision, o.state, o.state_version
    FROM unnest((SELECT $1::text[]), (SELECT $2::text[]), (SELECT $3::text[]))
      WITH ORDINALITY AS wanted (tenant, type, id, index)
    CROSS JOIN LATERAL (
      SELECT * FROM @schema.durable_objects AS o
      WHERE o.tenant = wanted.tenant AND o.type = wanted.type AND o.id = wanted.id LIMIT 1
    ) AS o`,
  // The names of all alarms of some objects, with the place of the object in the lists. Ranges of the primary key.
  alarmNames: `
    SELECT wanted.index, alarm.name
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS wanted (tenant, type, id, index)
    JOIN @schema.durable_object_alarms AS alarm
      ON alarm.tenant = wanted.tenant AND alarm.type = wanted.type AND alarm.id = wanted.id`,
  // A range of the primary key, in its order: reads the page and the tombstones between.
  listObjects: `
    SELECT id, revision, created_at, updated_at FROM @schema.durable_objects
    WHERE tenant = $1 AND type = $2 AND id > $3 AND deleted_at IS NULL
    ORDER BY id LIMIT $4`,
  // Primary key.
  findReply: `
    SELECT key, fingerprint, result, expires_at FROM @schema.durable_object_replies
    WHERE tenant = $1 AND type = $2 AND id = $3 AND key = $4 AND expires_at >= $5`,

  // Primary key by its first three columns, then a sort of one object's alarms.
  listAlarms: `
    SELECT ${alarmColumns} FROM @schema.durable_object_alarms
    WHERE tenant = $1 AND type = $2 AND id = $3
    ORDER BY due_at, name`,
  // The front of the index on (type, due_at) of alarms that are set: reads what it returns.
  dueAlarms: `
    SELECT ${addressedAlarmColumns} FROM @schema.durable_object_alarms
    WHERE status = 'set' AND type = $1 AND due_at <= $2
    ORDER BY due_at LIMIT $3`,
  // The same by the index on (type, tenant, due_at).
  dueAlarmsOfTenant: `
    SELECT ${addressedAlarmColumns} FROM @schema.durable_object_alarms
    WHERE status = 'set' AND type = $1 AND tenant = $2 AND due_at <= $3
    ORDER BY due_at LIMIT $4`,
  // One step into the index on (type, due_at) for each type.
  nextDueAfter: `
    SELECT min(next.due_at) FROM unnest($1::text[]) AS wanted (type) CROSS JOIN LATERAL (
      SELECT due_at FROM @schema.durable_object_alarms AS a
      WHERE a.status = 'set' AND a.type = wanted.type AND a.due_at > $2
      ORDER BY a.due_at LIMIT 1
    ) AS next`,
  // Two steps into the index on (type, tenant, due_at) for each tenant: from one to the next, and its front.
  dueTenants: `
    WITH RECURSIVE tenants (tenant) AS (
      (SELECT tenant FROM @schema.durable_object_alarms WHERE status = 'set' AND type = $1 ORDER BY tenant LIMIT 1)
      UNION ALL
      SELECT (
        SELECT a.tenant FROM @schema.durable_object_alarms AS a
        WHERE a.status = 'set' AND a.type = $1 AND a.tenant > tenants.tenant
        ORDER BY a.tenant LIMIT 1
      ) FROM tenants WHERE tenants.tenant IS NOT NULL
    )
    SELECT tenant FROM tenants WHERE tenant IS NOT NULL AND (
      SELECT a.due_at FROM @schema.durable_object_alarms AS a
      WHERE a.status = 'set' AND a.type = $1 AND a.tenant = tenants.tenant
      ORDER BY a.due_at LIMIT 1
    ) <= $2`,

  // The same four questions about the slots of one node. This one: the front of the index on (type, slot, due_at) for
  // each slot, as far as that is; and one step into the one on (type, due_at) where nothing is due at all.
  ownDueAlarms: `
    WITH mine AS MATERIALIZED (
      SELECT slot FROM @schema.durable_object_slots WHERE owner = $1::uuid
    ), share AS MATERIALIZED (
      SELECT $5::bigint * (1 + $4::bigint / greatest(count(*), 1)) AS rows FROM mine
    )
    SELECT due.*, (SELECT rows FROM share) FROM mine CROSS JOIN LATERAL (
      SELECT ${addressedAlarmColumns} FROM @schema.durable_object_alarms AS a
      WHERE a.status = 'set' AND a.type = $2 AND a.slot = mine.slot AND a.due_at <= $3
      ORDER BY a.due_at LIMIT (SELECT rows FROM share)
    ) AS due
    WHERE (
      SELECT due_at FROM @schema.durable_object_alarms WHERE status = 'set' AND type = $2 ORDER BY due_at LIMIT 1
    ) <= $3
    ORDER BY due.due_at LIMIT $4`,
  // The front of the index on (type, tenant, due_at), and one step into slots for each row. Asked in a flood only, when
  // the tenant has alarms due in all slots.
  ownDueAlarmsOfTenant: `
    SELECT ${addressedAlarmColumns} FROM @schema.durable_object_alarms AS a
    WHERE status = 'set' AND type = $2 AND tenant = $3 AND due_at <= $4
      AND (SELECT s.owner FROM @schema.durable_object_slots AS s WHERE s.slot = a.slot) = $1::uuid
    ORDER BY due_at LIMIT $5`,
  // The next few of all slots, by the index on (type, due_at): one of them is an own one, as a rule. If none is, one step
  // into the index on (type, slot, due_at) for each slot.
  ownNextDueAfter: `
    WITH mine AS MATERIALIZED (
      SELECT slot FROM @schema.durable_object_slots WHERE owner = $1::uuid
    )
    SELECT min(coalesce((
      SELECT min(near.due_at) FROM (
        SELECT a.due_at, a.slot FROM @schema.durable_object_alarms AS a
        WHERE a.status = 'set' AND a.type = wanted.type AND a.due_at > $3
        ORDER BY a.due_at LIMIT 64
      ) AS near WHERE near.slot IN (SELECT slot FROM mine)
    ), (
      SELECT min(next.due_at) FROM mine CROSS JOIN LATERAL (
        SELECT a.due_at FROM @schema.durable_object_alarms AS a
        WHERE a.status = 'set' AND a.type = wanted.type AND a.slot = mine.slot AND a.due_at > $3
        ORDER BY a.due_at LIMIT 1
      ) AS next
    )))
    FROM unnest((SELECT $2::text[])) AS wanted (type)`,
  // As dueTenants, and then along the front of the index for each tenant to the first alarm of an own slot.
  ownDueTenants: `
    WITH RECURSIVE tenants (tenant) AS (
      (SELECT tenant FROM @schema.durable_object_alarms WHERE status = 'set' AND type = $2 ORDER BY tenant LIMIT 1)
      UNION ALL
      SELECT (
        SELECT a.tenant FROM @schema.durable_object_alarms AS a
        WHERE a.status = 'set' AND a.type = $2 AND a.tenant > tenants.tenant
        ORDER BY a.tenant LIMIT 1
      ) FROM tenants WHERE tenants.tenant IS NOT NULL
    )
    SELECT tenant FROM tenants WHERE tenant IS NOT NULL AND (
      SELECT a.due_at FROM @schema.durable_object_alarms AS a
      WHERE a.status = 'set' AND a.type = $2 AND a.tenant = tenants.tenant AND a.due_at <= $3
        AND (SELECT s.owner FROM @schema.durable_object_slots AS s WHERE s.slot = a.slot) = $1::uuid
      ORDER BY a.due_at LIMIT 1
    ) IS NOT NULL`,

  // One step into the index on (type, due_at) for each type.
  alarmTypes: `
    WITH RECURSIVE ${alarmTypes}
    SELECT type FROM types WHERE type IS NOT NULL`,
  // A range of the index of dead alarms, in its order.
  deadAlarms: `
    SELECT ${addressedAlarmColumns} FROM @schema.durable_object_alarms
    WHERE status = 'dead' AND tenant = $1 AND type = $2 AND (id, name) > ($3, $4)
    ORDER BY id, name LIMIT $5`,

  // Ranges of the index on the expiry, and of the one on the deletion, which holds tombstones only. Who sweeps
  // holds a lane, as who commits holds another one: without it nothing goes.
  sweep: `
    WITH lane AS MATERIALIZED (
      SELECT 1 FROM @schema.durable_object_lanes
      WHERE node = $1::uuid AND lane = ${sweepLane} AND alive IS NOT NULL
      FOR UPDATE
    ), replies AS (
      DELETE FROM @schema.durable_object_replies AS r USING lane
      WHERE r.expires_at < $2 AND r.ctid = ANY (ARRAY(
        SELECT ctid FROM @schema.durable_object_replies WHERE expires_at < $2 LIMIT $4))
      RETURNING 1
    ), tombstones AS (
      DELETE FROM @schema.durable_objects AS o USING lane
      WHERE o.deleted_at < $3 AND o.ctid = ANY (ARRAY(
        SELECT ctid FROM @schema.durable_objects WHERE deleted_at < $3 LIMIT $4))
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM lane), (SELECT count(*) FROM replies) + (SELECT count(*) FROM tombstones)`,

  // Primary key. What the last commit was answered with.
  lane: `
    SELECT number, array_to_json(stale), alive IS NOT NULL FROM @schema.durable_object_lanes
    WHERE node = $1::uuid AND lane = ${commitLane}`,
  // Primary keys.
  renewLease: `
    UPDATE @schema.durable_object_nodes SET beat = beat + 1, expires_at = now() + $2 * interval '1 ms'
    WHERE node = $1::uuid
    RETURNING beat, (
      SELECT number FROM @schema.durable_object_lanes WHERE node = $1::uuid AND lane = ${commitLane})`,

  // Of tables with a few rows for each owner.
  owners: `
    SELECT node, name, host, machine, pid, thread, started, command, extract(epoch FROM since) * 1000,
      expires_at < now(), sole, beat, lease_ms
    FROM @schema.durable_object_nodes ORDER BY sole DESC, since`,
  removeOwners: "DELETE FROM @schema.durable_object_nodes",
  removeOwnersNamed: "DELETE FROM @schema.durable_object_nodes WHERE node = ANY ($1::uuid[])",
  // Who removes an owner has its lanes first, all in one order; so two that remove each other wait for one another, and
  // are no deadlock.
  lockLanes: `
    SELECT 1 FROM @schema.durable_object_lanes WHERE node = ANY ($1::uuid[]) ORDER BY node, lane FOR UPDATE`,
  // Whoever locks a row leaves the number of its transaction there. A commit can hang for as long as the network
  // takes to notice that a machine is gone; its owner is to be removed anyway. $2 is who removes it: what holds that
  // one's own control lane is an attempt before.
  freeLanes: `
    SELECT pg_terminate_backend(holder.pid) FROM @schema.durable_object_lanes AS l
    JOIN pg_locks AS holder ON holder.locktype = 'transactionid' AND holder.transactionid = l.xmax
      AND holder.granted AND holder.mode = 'ExclusiveLock'
    WHERE (l.node = ANY ($1::uuid[]) OR (l.node = $2::uuid AND l.lane = ${controlLane}))
      AND holder.pid <> pg_backend_pid()`,
  // A dead lane tells a process that was paused what became of its last commit; after a day nobody asks. Those of the
  // one who is coming are of an attempt before, which nobody answered, and which others took for dead.
  removeLanes: `
    DELETE FROM @schema.durable_object_lanes
    WHERE alive IS NULL AND (advanced_at < now() - interval '1 day' OR node = $1::uuid)`,
  addOwner: `
    WITH owner AS (
      INSERT INTO @schema.durable_object_nodes
        (node, name, host, machine, pid, thread, started, command, sole, types, endpoint, lease_ms, expires_at)
      VALUES ($1::uuid, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::bigint, now() + $12::bigint * interval '1 ms')
      ON CONFLICT (name) DO NOTHING
      RETURNING node
    )
    INSERT INTO @schema.durable_object_lanes (node, lane, alive)
    SELECT node, lane, node FROM owner, unnest(ARRAY[${sweepLane}, ${controlLane}, ${commitLane}]) AS lane
    RETURNING 1`,
  // The front of the index on (type, due_at) of every type.
  suspectDueAlarms: `
    UPDATE @schema.durable_object_alarms SET suspect = true WHERE status = 'set' AND due_at <= $1 AND NOT suspect`,
  suspectDueAlarmsOf: `
    WITH RECURSIVE ${alarmTypes}, slots AS MATERIALIZED (
      SELECT slot FROM @schema.durable_object_slots WHERE owner = ANY ($2::uuid[])
    )
    ${suspectDue("slots", "$1::bigint")}`,
  removeOwner: `
    WITH lanes AS (DELETE FROM @schema.durable_object_lanes WHERE node = $1::uuid)
    DELETE FROM @schema.durable_object_nodes WHERE node = $1::uuid`,
} as const;

/** The statements of one schema. */
export type Statements = { readonly [Name in keyof typeof texts]: Statement };

/** The statements, with the names of the tables in a schema. */
export function statementsIn(schema: string): Statements {
  const entries = Object.entries(texts).map(([name, text]) => [name, statementIn(schema, text)] as const);
  return Object.fromEntries(entries) as Statements;
}

/** A text with `@schema` for the schema, as a statement. */
export function statementIn(schema: string, text: string): Statement {
  return statementOf(text.replaceAll("@schema", quoted(schema)));
}
