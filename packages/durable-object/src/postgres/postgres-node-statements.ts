/**
 * The statements of a node of a cluster: what it reads of the others, its beat, and its changes of ownership.
 *
 * A change is one statement under the next number of the node's control lane, as a commit is one under the next
 * number of the other lane. It updates the row of that lane; all else is joined to it, so where the row does not
 * advance nothing is changed. Locks are taken in one order by everybody: lanes (by node and lane), nodes, slots.
 *
 * Two of them are texts without parameters: several statements in one message are a transaction of their own, which
 * begins with a setting. So the server itself gives up on a lock that is not to be had, whatever becomes of whoever
 * asked for it; and nothing stays in a session.
 */

import { namesOf, rowsOf } from "./postgres-columns.ts";
import type { Statement } from "./postgres-pool.ts";
import { alarmTypes, commitLane, controlLane, statementIn, suspectDue } from "./postgres-statements.ts";
import { quoted } from "./postgres-options.ts";

/** Slots in an epoch. */
export const slotEpochs = { slot: "smallint", epoch: "bigint" } as const;

/** $1 is the node, $2 the number of the change. */
const lane = `
    lane AS (
      UPDATE @schema.durable_object_lanes SET number = $2::bigint, advanced_at = now()
      WHERE node = $1::uuid AND lane = ${controlLane} AND number = $2::bigint - 1 AND alive IS NOT NULL
      RETURNING 1
    )`;
const advanced = "SELECT count(*) FROM lane";
const spokenOf = `${rowsOf(slotEpochs, 3)} AS spoken (${namesOf(slotEpochs)})`;

const texts = {
  // Primary key, for each slot. A slot that somebody else is just taking is taken.
  acquire: `
    WITH ${lane}, free AS MATERIALIZED (
      SELECT s.slot FROM @schema.durable_object_slots AS s, lane
      WHERE s.slot = ANY ($3::smallint[]) AND s.owner IS NULL
      ORDER BY s.slot FOR UPDATE OF s SKIP LOCKED
    ), taken AS (
      UPDATE @schema.durable_object_slots AS s SET owner = $1::uuid, epoch = s.epoch + 1, since = now()
      FROM free WHERE s.slot = free.slot
    )
    ${advanced}`,
  release: `
    WITH ${lane}, freed AS (
      UPDATE @schema.durable_object_slots AS s SET owner = NULL, since = now()
      FROM lane, ${spokenOf}
      WHERE s.slot = spoken.slot AND s.owner = $1::uuid AND s.epoch = spoken.epoch
    )
    ${advanced}`,
  // The row of the new owner is held, so that it cannot go before its slots are its own: who deletes it waits, and
  // who has deleted it is waited for.
  handOver: `
    WITH ${lane}, heir AS MATERIALIZED (
      SELECT n.node FROM @schema.durable_object_nodes AS n, lane WHERE n.name = $5 AND NOT n.sole FOR KEY SHARE OF n
    ), moved AS (
      UPDATE @schema.durable_object_slots AS s
      SET owner = (SELECT node FROM heir), epoch = s.epoch + (SELECT count(*) FROM heir), since = now()
      FROM lane, ${spokenOf}
      WHERE s.slot = spoken.slot AND s.owner = $1::uuid AND s.epoch = spoken.epoch
    )
    ${advanced}`,
  drain: `
    WITH ${lane}, drained AS (
      UPDATE @schema.durable_object_nodes AS n SET draining = true FROM lane WHERE n.node = $1::uuid
    )
    ${advanced}`,
  // Primary key. What the last change was.
  controlLane: `
    SELECT number, alive IS NOT NULL FROM @schema.durable_object_lanes
    WHERE node = $1::uuid AND lane = ${controlLane}`,

  // Of a table with a row for each node.
  nodes: `
    SELECT node = $1::uuid, name, array_to_json(types), endpoint, host, machine, pid, started, beat,
      expires_at < now(), draining
    FROM @schema.durable_object_nodes WHERE NOT sole ORDER BY name`,
  // Two numbers tell whether anything has changed: every new owner raises the sum of the epochs, and as long as that
  // stays, slots can only have become free. The slots come only if it has, grouped by their owners.
  slots: `
    SELECT print.epochs, print.owned,
      EXISTS (SELECT 1 FROM @schema.durable_object_nodes WHERE node = $1::uuid),
      CASE WHEN (print.epochs, print.owned) IS DISTINCT FROM ($2::numeric, $3::bigint) THEN (
        SELECT coalesce(json_agg(json_build_array(name, slots, epochs)), '[]') FROM (
          SELECT n.name, array_agg(s.slot) AS slots, array_agg(s.epoch) AS epochs
          FROM @schema.durable_object_slots AS s JOIN @schema.durable_object_nodes AS n ON n.node = s.owner
          GROUP BY n.name
        ) AS owners
      ) END
    FROM (SELECT sum(epoch) AS epochs, count(owner) AS owned FROM @schema.durable_object_slots) AS print`,

  // A node's lanes stay when it leaves: they tell what became of its last commit. They go after a day.
  leave: `
    WITH lanes AS MATERIALIZED (
      SELECT 1 FROM @schema.durable_object_lanes WHERE node = $1::uuid ORDER BY lane FOR UPDATE
    )
    DELETE FROM @schema.durable_object_nodes WHERE node = $1::uuid AND (SELECT count(*) FROM lanes) >= 0`,
  // The row of a node by its name.
  nodeNamed: "SELECT node FROM @schema.durable_object_nodes WHERE name = $1 AND NOT sole",
} as const;

/** The statements of a node. */
export type NodeStatements = { readonly [Name in keyof typeof texts]: Statement };

/** The statements, with the names of the tables in a schema. */
export function nodeStatementsIn(schema: string): NodeStatements {
  const entries = Object.entries(texts).map(([name, text]) => [name, statementIn(schema, text)] as const);
  return Object.fromEntries(entries) as NodeStatements;
}

/**
 * A beat, as a text. It answers with the beat, and the numbers of the commit lane and the control lane.
 *
 * @param node - the UUID of the row
 * @param lockWaitMs - how long the row may be held by somebody who is removing it
 */
export function beatText(schema: string, node: string, lockWaitMs: number): string {
  const number = (which: number): string =>
    `(SELECT number FROM @schema.durable_object_lanes WHERE node = ${uuid(node)} AND lane = ${which})`;
  return inSchema(
    schema,
    `SET LOCAL lock_timeout = ${Math.ceil(lockWaitMs)};
    UPDATE @schema.durable_object_nodes SET beat = beat + 1, expires_at = now() + lease_ms * interval '1 ms'
    WHERE node = ${uuid(node)}
    RETURNING beat, ${number(commitLane)}, ${number(controlLane)}`,
  );
}

/** What an eviction is made of. */
export interface EvictionText {
  /** The UUIDs of who evicts, and of who is evicted. */
  readonly node: string;
  readonly victim: string;
  readonly number: number;
  readonly beat: number;
  readonly force: boolean;
  readonly lockWaitMs: number;
}

/**
 * An eviction, as a text. First it gets the lanes of both, if the other one is to be evicted at all; then it looks
 * again, at what is so now that nobody can change it, and answers with 1 if its own lane has advanced.
 */
export function evictText(schema: string, eviction: EvictionText): string {
  const { node, victim, number, beat, force, lockWaitMs } = eviction;
  const isToGo = `n.node = ${uuid(victim)} AND n.beat = ${beat}${force ? "" : " AND n.expires_at < now()"}`;
  return inSchema(
    schema,
    `SET LOCAL lock_timeout = ${lockWaitMs};
    SELECT 1 FROM @schema.durable_object_lanes
    WHERE (node = ${uuid(node)} AND lane = ${controlLane})
      OR node = (SELECT n.node FROM @schema.durable_object_nodes AS n WHERE ${isToGo})
    ORDER BY node, lane FOR UPDATE;
    WITH RECURSIVE lane AS (
      UPDATE @schema.durable_object_lanes SET number = ${number}, advanced_at = now()
      WHERE node = ${uuid(node)} AND lane = ${controlLane} AND number = ${number - 1} AND alive IS NOT NULL
      RETURNING 1
    ), gone AS (
      DELETE FROM @schema.durable_object_nodes AS n USING lane WHERE ${isToGo}
      RETURNING n.node
    ), ${alarmTypes}, slots AS (
      SELECT s.slot FROM gone JOIN @schema.durable_object_slots AS s ON s.owner = gone.node
    ), suspected AS (
      ${suspectDue("slots", "(extract(epoch FROM now()) * 1000)::bigint")}
    )
    ${advanced}`,
  );
}

function inSchema(schema: string, text: string): string {
  return text.replaceAll("@schema", quoted(schema));
}

/** A UUID of ours, as it stands in SQL. */
function uuid(text: string): string {
  if (!/^[0-9a-f-]{36}$/.test(text)) throw new Error(`not a UUID: ${text}`);
  return `'${text}'::uuid`;
}
