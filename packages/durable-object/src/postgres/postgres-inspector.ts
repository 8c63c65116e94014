/**
 * The tables in a schema looked at from outside: reads, each a statement of its own, beside whoever owns them. Bringing
 * the tables up to date is the exception, which takes the lock of the schema and wants nobody to be using them.
 */

import type { Address } from "../core/address.ts";
import type { AddressedAlarm } from "../ports/object-store.ts";
import { StoreFailure } from "../ports/object-store.ts";
import type {
  InspectedAlarmsQuery,
  InspectedObject,
  InspectedObjectsQuery,
  MigrationStatus,
  StoreFinding,
  StoreInspector,
  StoreOwner,
  TypeCount,
} from "../ports/store-inspector.ts";
import { PostgresConnections } from "./postgres-connections.ts";
import { diagnoseServer } from "./postgres-diagnosis.ts";
import { storeFailure } from "./postgres-failure.ts";
import { checkVersion, migrationStatuses } from "./postgres-migrations.ts";
import { describe, quoted, type ResolvedPostgresOptions } from "./postgres-options.ts";
import { isGone, thisOwner } from "./postgres-owner.ts";
import type { Row, Run, Value } from "./postgres-pool.ts";
import { addressedAlarm } from "./postgres-rows.ts";
import { storedOwner } from "./postgres-sightings.ts";
import { statementsIn } from "./postgres-statements.ts";

const objectColumns = "tenant, type, id, state::text, state_version, revision, created_at, updated_at";
const alarmColumns = `tenant, type, id, suspect, name, due_at, scheduled_at, generation, payload, rule, attempts, status,
  last_error`;

export class PostgresInspector implements StoreInspector {
  readonly location: string;
  readonly #options: ResolvedPostgresOptions;
  readonly #connections: PostgresConnections;
  readonly #migrate: () => Promise<{ readonly from: number; readonly to: number }>;
  readonly #schema: string;

  private constructor(
    options: ResolvedPostgresOptions,
    connections: PostgresConnections,
    migrate: () => Promise<{ readonly from: number; readonly to: number }>,
  ) {
    this.location = describe(options);
    this.#options = options;
    this.#connections = connections;
    this.#migrate = migrate;
    this.#schema = quoted(options.schema);
  }

  /** Connects. */
  static async open(
    options: ResolvedPostgresOptions,
    migrate: () => Promise<{ readonly from: number; readonly to: number }>,
  ): Promise<PostgresInspector> {
    const connections = await PostgresConnections.create({ ...options, readConnections: 1 }, 1);
    const inspector = new PostgresInspector(options, connections, migrate);
    try {
      await inspector.#reading((run) => run("SELECT 1"));
      return inspector;
    } catch (error) {
      await connections.close();
      throw error;
    }
  }

  async migrations(): Promise<readonly MigrationStatus[]> {
    return await this.#reading((run) => migrationStatuses(run, this.#options.schema));
  }

  async migrate(): Promise<{ readonly from: number; readonly to: number }> {
    return await this.#migrate();
  }

  async counts(): Promise<readonly TypeCount[]> {
    const rows = await this.#all(`
      SELECT tenant, type, sum(objects), sum(alarms), sum(dead) FROM (
        SELECT tenant, type, count(*) AS objects, 0 AS alarms, 0 AS dead
        FROM @schema.durable_objects WHERE deleted_at IS NULL GROUP BY tenant, type
        UNION ALL
        SELECT tenant, type, 0, count(*), count(*) FILTER (WHERE status = 'dead')
        FROM @schema.durable_object_alarms GROUP BY tenant, type
      ) AS counted GROUP BY tenant, type ORDER BY tenant, type`);
    return rows.map(([tenant, type, objects, alarms, dead]) => ({
      tenant: tenant ?? "",
      type: type ?? "",
      objects: Number(objects),
      alarms: Number(alarms),
      dead: Number(dead),
    }));
  }

  async objects({ tenant, type, after, limit }: InspectedObjectsQuery): Promise<readonly InspectedObject[]> {
    const { where, values } = conditions({ tenant, type });
    if (after !== null) {
      where.push(`(tenant, type, id) > ($${values.length + 1}, $${values.length + 2}, $${values.length + 3})`);
      values.push(after.tenant, after.type, after.id);
    }
    const filter = ["deleted_at IS NULL", ...where].join(" AND ");
    const text = `SELECT ${objectColumns} FROM @schema.durable_objects
      WHERE ${filter} ORDER BY tenant, type, id LIMIT $${values.length + 1}`;
    return (await this.#all(text, [...values, limit])).map(inspectedObject);
  }

  async object({ tenant, type, id }: Address): Promise<InspectedObject | null> {
    const text = `SELECT ${objectColumns} FROM @schema.durable_objects
      WHERE deleted_at IS NULL AND tenant = $1 AND type = $2 AND id = $3`;
    return (await this.#all(text, [tenant, type, id])).map(inspectedObject)[0] ?? null;
  }

  async alarms({ tenant, type, id, status, after, limit }: InspectedAlarmsQuery): Promise<readonly AddressedAlarm[]> {
    const { where, values } = conditions({ tenant, type, id, status });
    if (after !== null) {
      const at = values.length;
      where.push(`(tenant, type, id, name) > ($${at + 1}, $${at + 2}, $${at + 3}, $${at + 4})`);
      values.push(after.tenant, after.type, after.id, after.name);
    }
    const filter = where.length === 0 ? "" : `WHERE ${where.join(" AND ")}`;
    const text = `SELECT ${alarmColumns} FROM @schema.durable_object_alarms ${filter}
      ORDER BY tenant, type, id, name LIMIT $${values.length + 1}`;
    return (await this.#all(text, [...values, limit])).map(addressedAlarm);
  }

  async owners(): Promise<readonly StoreOwner[]> {
    const me = thisOwner({ name: "inspector", node: "" });
    return await this.#reading(async (run) => {
      if ((await checkVersion(run, this.#options.schema, this.location)) === 0) return [];
      const owners = (await run(statementsIn(this.#options.schema).owners)).map(storedOwner);
      return owners.map((owner) => {
        const { name, host, pid, command, since, sole, lapsed } = owner;
        return { node: name, host, pid, command, since, sole, alive: !lapsed && !isGone(owner, me) };
      });
    });
  }

  async diagnose(): Promise<readonly StoreFinding[]> {
    return await diagnoseServer(this.#connections.read, this.#options);
  }

  async close(): Promise<void> {
    await this.#connections.close();
  }

  /** @param text - with `@schema` for the schema */
  async #all(text: string, values: readonly Value[] = []): Promise<readonly Row[]> {
    return await this.#reading(async (run) => {
      if ((await checkVersion(run, this.#options.schema, this.location)) === 0) return [];
      return await run({ text: text.replaceAll("@schema", this.#schema), name: null }, values);
    });
  }

  async #reading<Result>(read: (run: Run) => Promise<Result>): Promise<Result> {
    try {
      return await read(this.#connections.read);
    } catch (error) {
      if (error instanceof StoreFailure) throw error;
      throw storeFailure(error, "read", this.location);
    }
  }
}

/** The conditions that stand for what is not null. */
function conditions(equal: Readonly<Record<string, string | null>>): { where: string[]; values: Value[] } {
  const given = Object.entries(equal).filter(([, value]) => value !== null);
  return {
    where: given.map(([column], index) => `${column} = $${index + 1}`),
    values: given.map(([, value]) => value),
  };
}

function inspectedObject(row: Row): InspectedObject {
  const [tenant, type, id, state, stateVersion, revision, createdAt, updatedAt] = row;
  return {
    address: { tenant: tenant ?? "", type: type ?? "", id: id ?? "" },
    state: state ?? null,
    stateVersion: Number(stateVersion),
    revision: Number(revision),
    createdAt: Number(createdAt),
    updatedAt: Number(updatedAt),
  };
}
