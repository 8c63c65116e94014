/** `doctor`: what is wrong is found, on real files and servers, and no password is printed. */

import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { write } from "../../src/testing/object-store-case.ts";
import { openStore, StoreProcess, temporaryDirectory } from "../fixtures/sqlite-fixture.ts";
import { commandLine, jsonOf, type Ended } from "../support/command-line.ts";
import { hasNats, ownServer } from "../support/nats-place.ts";
import { freshSchema, hasPostgres, postgresUrl, sql } from "../support/postgres-place.ts";
import { changeFile } from "../support/sqlite-schema.ts";

interface Finding {
  readonly check: string;
  readonly level: string;
  readonly message: string;
  readonly advice: string | null;
}

function findingsOf(ended: Ended): readonly Finding[] {
  return (jsonOf(ended) as { readonly findings: readonly Finding[] }).findings;
}

/** What was found of one thing. */
function found(ended: Ended, check: string): Finding | undefined {
  return findingsOf(ended).find((finding) => finding.check === check);
}

const source = pathToFileURL(join(import.meta.dirname, "../../src/")).href;

/** A project with a configuration. */
function project(configuration: string) {
  const cwd = temporaryDirectory();
  writeFileSync(join(cwd, "durable-object.config.mjs"), configuration);
  return commandLine({ cwd });
}

const counter = `
import { cluster, defineObject, reply } from "${source}index.ts";
const Counter = defineObject({ type: "counter", state: { n: 0 }, handlers: { get: ({ state }) => reply(state.n) } });
`;

describe("without an application", () => {
  test("with nothing at all it says what to do", async () => {
    const ended = await commandLine({ cwd: temporaryDirectory() })("doctor");
    expect(ended.code).toBe(1);
    expect(ended.stdout).toContain("npx durable-object init");
    expect(ended.stdout).toContain("--store");
    expect(ended.stdout).toMatch(/1 error, 1 warning\.\n$/);
  });

  test("a file that is not there yet is no error, and stays away", async () => {
    const cwd = temporaryDirectory();
    const ended = await commandLine({ cwd })("doctor", "--store", "app.db", "--json");
    expect(ended.code).toBe(0);
    expect(found(ended, "file")).toMatchObject({ level: "warning" });
    expect(found(ended, "tables")).toMatchObject({ level: "warning", message: "There are no tables yet." });
    const again = await commandLine({ cwd })("doctor", "--store", "app.db", "--json");
    expect(found(again, "file")).toMatchObject({ level: "warning" });
  });

  test("a good file with its application running is fine", async () => {
    const path = join(temporaryDirectory(), "app.db");
    const child = await StoreProcess.start(path);
    await child.succeed({ step: "open" });
    const cli = commandLine({ cwd: "/" });
    const running = await cli("doctor", "--store", path, "--json");
    expect(running.code).toBe(0);
    expect(findingsOf(running).filter(({ level, check }) => level !== "ok" && check !== "disk-space")).toEqual([]);
    expect(found(running, "owner")?.message).toContain(`pid ${child.pid}`);
    expect(found(running, "journal")?.message).toContain("WAL mode");
    await child.crash();
    const after = await cli("doctor", "--store", path, "--json");
    expect(after.code).toBe(0);
    expect(found(after, "owner")).toMatchObject({ level: "warning" });
    expect(found(after, "owner")?.message).toContain("gone");
  });

  test("dead alarms are counted, with what to do", async () => {
    const path = join(temporaryDirectory(), "app.db");
    const store = await openStore(path);
    await store.apply(write("a", { alarms: [{ change: "set", name: "ring", dueAt: 1, payload: null, rule: null }] }));
    const alarm = { change: "attempted", name: "ring", generation: 1, dueAt: 1, attempts: 12 } as const;
    await store.apply(write("a", { baseRevision: 1, alarms: [{ ...alarm, status: "dead", lastError: "no" }] }));
    const ended = await commandLine({ cwd: "/" })("doctor", "--store", path);
    expect(ended.stdout).toMatch(/^warning +alarms +1 object, 1 alarm, of which 1 failed too often/m);
    expect(ended.stdout).toContain("redrive");
  });

  test("damaged files, other files and missing directories are errors", async () => {
    const directory = temporaryDirectory();
    const cli = commandLine({ cwd: directory });
    const damaged = join(directory, "damaged.db");
    const store = await openStore(damaged);
    await store.store.close();
    truncateSync(damaged, 8192);
    const cut = await cli("doctor", "--store", damaged, "--json");
    expect(cut.code).toBe(1);
    expect(findingsOf(cut).some(({ level, message }) => level === "error" && message.includes(damaged))).toBe(true);

    writeFileSync(join(directory, "note.txt"), "This is no database, and long enough to be seen as none. ".repeat(20));
    mkdirSync(join(directory, "folder"));
    for (const place of ["note.txt", "missing/app.db", "folder"]) {
      const ended = await cli("doctor", "--store", place, "--json");
      expect(ended.code).toBe(1);
      expect(found(ended, "store")).toMatchObject({ level: "error" });
    }
  });

  test("tables of a newer version are an error", async () => {
    const path = join(temporaryDirectory(), "app.db");
    const cli = commandLine({ cwd: "/" });
    await cli("migrate", "--store", path);
    changeFile(path, "INSERT INTO durable_object_migrations VALUES (3, 'later', 0, 'x')");
    const ended = await cli("doctor", "--store", path, "--json");
    expect(ended.code).toBe(1);
    expect(found(ended, "tables")).toMatchObject({ level: "error", advice: "Update durable-object." });
    expect(findingsOf(ended).at(-1)?.check).toBe("tables");
  });
});

describe("with a configuration", () => {
  test("definitions are named, and a store in memory is told of", async () => {
    const cli = project(`${counter}
      import { memory } from "${source}memory/index.ts";
      export default { objects: [Counter], store: memory() };`);
    const ended = await cli("doctor", "--json");
    expect(ended.code).toBe(0);
    expect(found(ended, "definitions")?.message).toBe("1 type: counter");
    expect(found(ended, "store")).toMatchObject({ level: "warning" });
  });

  test("what createRuntime would refuse is an error, and the store is looked at all the same", async () => {
    const cli = project(`${counter}
      import { sqlite } from "${source}sqlite/index.ts";
      export default { objects: [Counter, Counter], store: sqlite("${join(temporaryDirectory(), "app.db")}") };`);
    const ended = await cli("doctor", "--json");
    expect(ended.code).toBe(1);
    expect(found(ended, "configuration")).toMatchObject({ level: "error" });
    expect(found(ended, "file")).toMatchObject({ level: "warning" });
  });

  test("one that cannot be loaded is an error without the password that is in its message", async () => {
    const cli = project(`throw new Error("cannot reach postgres://app:pa55word@db/app?password=pa55word");`);
    for (const args of [["doctor", "--json"], ["doctor"], ["ls"], ["ls", "--json"]]) {
      const ended = await cli(...args);
      expect(ended.code).toBeGreaterThan(0);
      expect(ended.stdout + ended.stderr).toContain("cannot reach");
      expect(ended.stdout + ended.stderr).not.toContain("pa55word");
    }
  });

  test.skipIf(!hasNats)("the servers of its transport are asked", async () => {
    const server = await ownServer();
    const configured = (port: number) =>
      project(`${counter}
        import { nats } from "${source}nats/index.ts";
        import { postgres } from "${source}postgres/index.ts";
        const transport = nats({ servers: "nats://app:pa55word@127.0.0.1:${port}" });
        export default {
          objects: [Counter], store: postgres("postgres://app:pa55word@127.0.0.1:1/app"), cluster: cluster({ transport }),
        };`);
    const good = await configured(server.port)("doctor", "--json");
    expect(found(good, "nats")).toMatchObject({ level: "ok", advice: null });
    expect(findingsOf(good).filter(({ check }) => check === "package")).toMatchObject([
      { level: "ok", message: expect.stringMatching(/^pg 8\./) as string },
      { level: "ok", message: expect.stringMatching(/^@nats-io/) as string },
    ]);
    const bad = await configured(1)("doctor", "--json");
    expect(bad.code).toBe(1);
    expect(found(bad, "nats")).toMatchObject({ level: "error" });
    expect(found(bad, "store")).toMatchObject({ level: "error" });
    expect(good.stdout + bad.stdout).not.toContain("pa55word");
  });
});

describe.skipIf(!hasPostgres)("on PostgreSQL", () => {
  test("everything about the server is looked at", async () => {
    const ended = await commandLine({ cwd: "/" })(
      "doctor",
      "--store",
      postgresUrl(),
      "--schema",
      freshSchema(),
      "--json",
    );
    expect(ended.code).toBe(0);
    const checks = findingsOf(ended).map(({ check }) => check);
    const server = ["server", "encoding", "clock-skew", "durability", "connections", "permissions", "pooler"];
    expect(checks).toEqual([
      ...["node", "configuration", "package", "store", ...server],
      ...["tables", "owner", "alarms"],
    ]);
    expect(found(ended, "server")?.message).toMatch(/^PostgreSQL \d/);
    expect(found(ended, "pooler")?.message).toContain("No pooler");
    expect(found(ended, "clock-skew")?.level).toBe("ok");
    const [setting] = await sql("SELECT current_setting('fsync') AS fsync");
    expect(found(ended, "durability")?.level).toBe(setting?.["fsync"] === "off" ? "warning" : "ok");
  });

  test("whatever is wrong with the URL, its password is not printed", async () => {
    const cli = commandLine({ cwd: "/", env: { DATABASE_URL: "postgres://app:pa55word@127.0.0.1:1/app" } });
    const missing = postgresUrl((url) => {
      url.password = "pa55word";
      url.pathname = "/missing";
    });
    const places = [[], ["--store", missing], ["--store", "postgres://app:pa55word@[/app"]];
    for (const place of places) {
      for (const command of [["doctor"], ["migrate"], ["ls", "--json"]]) {
        const ended = await cli(...command, ...place);
        expect(ended.code).toBeGreaterThan(0);
        expect(ended.stdout + ended.stderr).not.toContain("pa55word");
      }
    }
  });
});
