/** What every store that can be looked at shows, beside its owner and without it. */

import { join } from "node:path";
import { Pool } from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import type {
  InspectableStore,
  InspectedAlarmsQuery,
  InspectedObject,
  InspectedObjectsQuery,
  StoreInspector,
} from "../../src/ports/store-inspector.ts";
import { postgres } from "../../src/postgres/index.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";
import { sqlite } from "../../src/sqlite/index.ts";
import { address, NumberedStore, write } from "../../src/testing/object-store-case.ts";
import { StoreProcess, temporaryDirectory } from "../fixtures/sqlite-fixture.ts";
import { PostgresChild } from "../support/postgres-child.ts";
import { failureOf } from "../support/postgres-opened.ts";
import { borrowedSchema, freshSchema, hasPostgres, postgresUrl, sql } from "../support/postgres-place.ts";
import { describeSchema } from "../support/postgres-schema.ts";
import { changeFile, describeFile } from "../support/sqlite-schema.ts";

/** Another process that owns what a test looks at. */
interface OtherOwner {
  readonly pid: number;
  crash(): Promise<unknown>;
}

/** A place where nothing is yet. */
interface Place {
  readonly store: ObjectStore & InspectableStore;
  readonly newest: number;
  /** Runs SQL as an administrator would; `@` stands before the name of a table. */
  administer(text: string): Promise<void>;
  /** What tables, columns and indexes there are. */
  describeTables(): Promise<string>;
  startOwner(): Promise<OtherOwner>;
}

const onSqlite = {
  name: "sqlite",
  async create(): Promise<Place> {
    const path = join(temporaryDirectory(), "app.db");
    return {
      store: sqlite(path, { synchronous: "normal", lockTimeout: 0 }),
      newest: 2,
      administer: async (text) => changeFile(path, text.replaceAll("@", "")),
      describeTables: async () => describeFile(path),
      async startOwner() {
        const child = await StoreProcess.start(path);
        await child.succeed({ step: "open" });
        return child;
      },
    };
  },
};

const onPostgres = {
  name: "postgres",
  /** @param fresh - whether the tables are not there yet, or will be changed */
  async create(fresh: boolean): Promise<Place & { readonly schema: string }> {
    const schema = fresh ? freshSchema() : borrowedSchema();
    const options = { schema, lockTimeout: 0 };
    return {
      schema,
      store: postgres(postgresUrl(), options),
      newest: 1,
      administer: async (text) => void (await sql(text.replaceAll("@", `${schema}.`))),
      describeTables: () => describeSchema(schema),
      async startOwner() {
        const child = new PostgresChild(options);
        await child.succeed({ step: "open" });
        return child;
      },
    };
  },
};

/** With one connection of the application, on which nothing is left of whoever used it before: as behind a pooler. */
const onPooler = {
  name: "postgres, through a pool of one",
  async create(fresh: boolean): Promise<Place> {
    const place = await onPostgres.create(fresh);
    const pool = new Pool({ connectionString: postgresUrl(), max: 1, allowExitOnIdle: true });
    onTestFinished(() => pool.end());
    const database = {
      options: pool.options,
      async connect() {
        const client = await pool.connect();
        await client.query("DISCARD ALL");
        return client;
      },
      on: (event: "error", listener: (error: Error) => void) => pool.on(event, listener),
      removeListener: (event: "error", listener: (error: Error) => void) => pool.removeListener(event, listener),
    };
    return { ...place, store: postgres(database, { schema: place.schema, lockTimeout: 0, prepare: false }) };
  },
};

async function own({ store }: Place): Promise<NumberedStore> {
  const opened = await store.open({ environment: systemEnvironment, node: "tester" });
  onTestFinished(() => opened.close());
  return new NumberedStore(opened);
}

async function look({ store }: Place): Promise<StoreInspector> {
  const inspector = await store.inspect();
  onTestFinished(() => inspector.close());
  return inspector;
}

const all: InspectedObjectsQuery = { tenant: null, type: null, after: null, limit: 100 };
const allAlarms: InspectedAlarmsQuery = { ...all, id: null, status: null, after: null };
const names = (objects: readonly InspectedObject[]) =>
  objects.map(({ address: { tenant, type, id } }) => `${tenant}/${type}/${id}`);

describe.each([onSqlite, ...(hasPostgres ? [onPostgres, onPooler] : [])])(
  "a store that is looked at ($name)",
  (kind) => {
    test("shows objects in the order of their bytes, page by page, and none that was deleted", async () => {
      const place = await kind.create(false);
      const store = await own(place);
      // In UTF-16 the emoji would come before U+FFFD.
      const ids = ["B", "a", "é", "\uFFFD", "😀"];
      const addresses = ids.map((id) => address(id, "pad"));
      await store.apply(
        ...addresses.map((at) => write(at)),
        write(address("a", "Pad")),
        write(address("x", "pad", "t")),
      );
      await store.apply(write(address("gone", "pad")));
      await store.apply(write(address("gone", "pad"), { baseRevision: 1, deleted: true }));
      const inspector = await look(place);

      const expected = ["/Pad/a", ...ids.map((id) => `/pad/${id}`), "t/pad/x"];
      expect(names(await inspector.objects(all))).toEqual(expected);
      const paged: string[] = [];
      for (let after: InspectedObject["address"] | null = null; ;) {
        const page: readonly InspectedObject[] = await inspector.objects({ ...all, after, limit: 2 });
        paged.push(...names(page));
        after = page.at(-1)?.address ?? null;
        if (after === null) break;
      }
      expect(paged).toEqual(expected);
      expect(names(await inspector.objects({ ...all, tenant: "" }))).toEqual(expected.slice(0, -1));
      expect(names(await inspector.objects({ ...all, tenant: "t", type: "pad" }))).toEqual(["t/pad/x"]);
      expect(names(await inspector.objects({ ...all, type: "Pad" }))).toEqual(["/Pad/a"]);
      expect(await inspector.objects({ ...all, type: "none" })).toEqual([]);
      expect(await inspector.object(address("gone", "pad"))).toBeNull();
    });

    test("shows of an object what is stored, and each commit once it is there", async () => {
      const place = await kind.create(false);
      const store = await own(place);
      await store.apply(write("a", { state: '{"n":1}', stateVersion: 3 }));
      const inspector = await look(place);
      const first = await inspector.object(address("a"));
      expect(first).toMatchObject({ address: address("a"), stateVersion: 3, revision: 1 });
      expect(JSON.parse(first?.state ?? "")).toEqual({ n: 1 });
      expect(first?.createdAt).toBe(first?.updatedAt);
      await store.apply(write("a", { state: '{"n":2}', baseRevision: 1 }));
      const second = await inspector.object(address("a"));
      expect(second).toMatchObject({ revision: 2, stateVersion: 1, createdAt: first?.createdAt });
      expect((await inspector.objects(all))[0]).toEqual(second);
    });

    test("shows alarms by what is asked for, and counts them", async () => {
      const place = await kind.create(false);
      const store = await own(place);
      const set = (name: string) => ({ change: "set", name, dueAt: 1000, payload: "1", rule: null }) as const;
      await store.apply(
        write(address("a", "pad"), { alarms: [set("x"), set("y")] }),
        write(address("b", "pad", "t"), { alarms: [set("x")] }),
        write(address("c", "pad")),
      );
      const dead = { change: "attempted", name: "y", generation: 1, dueAt: 9, attempts: 12, status: "dead" } as const;
      await store.apply(write(address("a", "pad"), { baseRevision: 1, alarms: [{ ...dead, lastError: "no" }] }));
      const inspector = await look(place);

      const shown = async (query: Partial<InspectedAlarmsQuery>) =>
        (await inspector.alarms({ ...allAlarms, ...query })).map(
          ({ address: at, name }) => `${at.tenant}/${at.id} ${name}`,
        );
      expect(await shown({})).toEqual(["/a x", "/a y", "t/b x"]);
      expect(await shown({ status: "dead" })).toEqual(["/a y"]);
      expect(await shown({ status: "set" })).toEqual(["/a x", "t/b x"]);
      expect(await shown({ tenant: "t" })).toEqual(["t/b x"]);
      expect(await shown({ id: "a", limit: 1 })).toEqual(["/a x"]);
      expect(await shown({ after: { ...address("a", "pad"), name: "x" } })).toEqual(["/a y", "t/b x"]);
      expect((await inspector.alarms({ ...allAlarms, status: "dead" }))[0]).toEqual({
        address: address("a", "pad"),
        name: "y",
        dueAt: 9,
        scheduledAt: 1000,
        generation: 1,
        payload: "1",
        rule: null,
        attempts: 12,
        status: "dead",
        lastError: "no",
        suspect: false,
      });
      expect(await inspector.counts()).toEqual([
        { tenant: "", type: "pad", objects: 2, alarms: 2, dead: 1 },
        { tenant: "t", type: "pad", objects: 1, alarms: 1, dead: 0 },
      ]);
    });

    test("says who owns it, and whether that one lives", async () => {
      const place = await kind.create(false);
      const child = await place.startOwner();
      const inspector = await look(place);
      const owner = { pid: child.pid, sole: true, node: "child" };
      expect(await inspector.owners()).toMatchObject([{ ...owner, alive: true }]);
      await child.crash();
      expect(await inspector.owners()).toMatchObject([{ ...owner, alive: false }]);
      const successor = await place.store.open({ environment: systemEnvironment, node: "after it" });
      expect(await inspector.owners()).toMatchObject([{ pid: process.pid, node: "after it", alive: true }]);
      await successor.close();
      expect(await inspector.owners()).toEqual([]);
    });

    test("is empty where there are no tables, and is not given any", async () => {
      const place = await kind.create(true);
      const inspector = await look(place);
      expect(await inspector.counts()).toEqual([]);
      expect(await inspector.objects(all)).toEqual([]);
      expect(await inspector.object(address("a"))).toBeNull();
      expect(await inspector.alarms(allAlarms)).toEqual([]);
      expect(await inspector.owners()).toEqual([]);
      const versions = await inspector.migrations();
      expect(versions.map(({ version }) => version)).toEqual(Array.from({ length: place.newest }, (_, at) => at + 1));
      expect(versions.every(({ state, appliedAt }) => state === "missing" && appliedAt === null)).toBe(true);
      const findings = await inspector.diagnose();
      expect(findings.filter(({ level }) => level === "error")).toEqual([]);
      if (kind.name.startsWith("postgres")) {
        expect(findings.find(({ check }) => check === "pooler")?.message).toContain("No pooler");
      }
      expect(await place.describeTables()).toBe("");
    });

    test("is brought up to date when that is asked for", async () => {
      const place = await kind.create(true);
      const inspector = await look(place);
      expect(await inspector.migrate()).toEqual({ from: 0, to: place.newest });
      expect(await inspector.migrate()).toEqual({ from: place.newest, to: place.newest });
      const versions = await inspector.migrations();
      expect(versions.every(({ state, appliedAt }) => state === "applied" && (appliedAt ?? 0) > 1e12)).toBe(true);
      await (await own(place)).apply(write("a"));
      expect(names(await inspector.objects(all))).toEqual(["/counter/a"]);
    });

    test("gets the same tables from its SQL, run by hand", async () => {
      const [made, byHand] = [await kind.create(true), await kind.create(true)];
      await (await look(made)).migrate();
      await byHand.administer(byHand.store.migrationSql(0, null));
      expect(await byHand.describeTables()).toBe(await made.describeTables());
      const versions = await (await look(byHand)).migrations();
      expect(versions.every(({ state, appliedAt }) => state === "applied" && (appliedAt ?? 0) > 1e12)).toBe(true);
      await (await own(byHand)).apply(write("a"));
    });

    test("gives SQL for versions that there are, forward", async () => {
      const { store, newest } = await kind.create(true);
      expect(store.tablesVersion).toBe(newest);
      expect(store.migrationSql(newest, null)).not.toContain("CREATE INDEX");
      for (const [from, to] of [
        [1, 0],
        [-1, null],
        [0, newest + 1],
        [0.5, null],
        [newest + 1, null],
      ] as const) {
        expect(() => store.migrationSql(from, to)).toThrow(RangeError);
      }
    });

    test("of a newer version says so, and is not read", async () => {
      const place = await kind.create(true);
      const inspector = await look(place);
      await inspector.migrate();
      const columns = "(version, name, applied_at, checksum)";
      const now = kind.name === "sqlite" ? "1" : "now()";
      await place.administer(`INSERT INTO @durable_object_migrations ${columns} VALUES (9, 'later', ${now}, 'x')`);
      expect((await inspector.migrations()).at(-1)).toMatchObject({ version: 9, name: "later", state: "newer" });
      for (const read of [() => inspector.counts(), () => inspector.objects(all), () => inspector.migrate()]) {
        expect(await failureOf(read())).toMatchObject({ name: "StoreFailure", code: "STORE_TOO_NEW" });
      }
    });

    test("that other code made says so, and is not read", async () => {
      const place = await kind.create(true);
      const inspector = await look(place);
      await inspector.migrate();
      await place.administer("UPDATE @durable_object_migrations SET checksum = 'x' WHERE version = 1");
      expect((await inspector.migrations())[0]).toMatchObject({ version: 1, state: "changed" });
      expect(await failureOf(inspector.alarms(allAlarms))).toMatchObject({ code: "STORE_CORRUPT" });
    });
  },
);
