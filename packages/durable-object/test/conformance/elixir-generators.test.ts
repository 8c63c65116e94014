/**
 * What the generators of the Elixir library `durable_object` write, row by row (area GEN but for migrations, GEN-5 to
 * GEN-9), and the weakness of them (W-GE): the same here, or what this library does instead.
 */

import { expect, test } from "vitest";
import { ownManifest } from "../../src/cli/own-manifest.ts";
import { jsonOf } from "../support/command-line.ts";
import { emptyProject, type TestProject } from "../support/project.ts";

const quietly = ["--yes", "--no-install"];

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
}

const dependenciesOf = (project: TestProject): readonly string[] =>
  Object.keys((JSON.parse(project.read("package.json")) as Manifest).dependencies);

test("GEN-1 the options: the store, the scheduler, its queue, whether there are several processes", async () => {
  const help = (await emptyProject().cli("init", "--help")).stdout.replaceAll(/\s+/g, " ");
  expect(help).toContain('--store <kind> where objects are kept (default: sqlite) (choices: "sqlite", "postgres")');
  expect(help).toContain("(default: polling)");
  expect(help).toContain("(default: durable-object-alarms)");
  expect(help).toContain("--cluster [transport]");
});

test("GEN-2 by default: one process, polling, tables that make themselves, and what to do next", async () => {
  const project = emptyProject();
  const { stdout } = await project.cli("init", ...quietly);
  const configuration = project.read("durable-object.config.ts");
  expect(configuration).toContain('store: sqlite("app.db")');
  expect(configuration).not.toMatch(/cluster|scheduler/);
  expect(stdout).toContain("Next:\n  npm install\n  npm start");
  const other = emptyProject();
  expect((await other.cli("init", ...quietly, "--store", "postgres")).stdout).toContain("npx durable-object migrate");
});

test("GEN-3 with a job queue and a cluster: the configuration of both, and what the queue needs", async () => {
  const project = emptyProject();
  const { stdout } = await project.cli("init", ...quietly, "--scheduler", "pg-boss", "--cluster", "nats");
  const configuration = project.read("durable-object.config.ts");
  expect(configuration).toContain('scheduler: pgBoss({ boss, queue: "durable-object-alarms" })');
  expect(configuration).toContain("cluster: cluster({ transport: nats(");
  expect(stdout).toContain('alarms are jobs of the queue "durable-object-alarms"');
});

test("GEN-4 a store that nobody named is a file, and never an error; a command without any says how to name one", async () => {
  const project = emptyProject();
  const ended = await project.cli("ls");
  expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining("NO_STORE") as string });
  expect(ended.stderr).toContain("--store");
  expect(await project.cli("init", ...quietly)).toMatchObject({ code: 0 });
});

test("GEN-10 fields have their types and defaults; without fields there is a sample to change", async () => {
  const project = emptyProject();
  await project.cli("init", ...quietly);
  const fields =
    "a:integer,b:float,c:string,d:boolean,e:map,f:list,window_start:utc_datetime,h:naive_datetime,i:unknown,name";
  expect(await project.cli("new", "object", "RateLimit", "--fields", fields, "--tests")).toMatchObject({ code: 0 });
  const text = project.read("src/objects/rate-limit.ts");
  const state = [...text.matchAll(/^ {4}(\w+): ([^(\n]+),$/gm)].map(([, name, value]) => `${name}: ${value}`);
  expect(state).toEqual([
    "a: 0",
    "b: 0",
    'c: ""',
    "d: false",
    "e: {} as Record<string, JsonValue>",
    "f: [] as JsonValue[]",
    "window_start: null as string | null",
    "h: null as string | null",
    "i: null as JsonValue",
    "name: null as JsonValue",
  ]);
  expect(text).toContain('type: "rate-limit"');
  expect(project.read("durable-object.config.ts")).toContain("objects: [Counter, RateLimit]");
  expect(project.read("src/objects/rate-limit.test.ts")).toContain('from "node:test"');

  expect(await project.cli("new", "object", "HTTPServer")).toMatchObject({ code: 0 });
  expect(project.read("src/objects/http-server.ts")).toContain("// count: 0,");
});

test("W-GE-1 twice changes nothing, what is needed is added, what is no option is refused, and names are right", async () => {
  const project = emptyProject();
  await project.cli("init", ...quietly, "--cluster", "nats", "--scheduler", "pg-boss", "--object", "OtherCart");
  expect(dependenciesOf(project)).toEqual(["durable-object", "pg", "pg-boss", "@nats-io/transport-node"]);
  expect(project.read("package.json")).toContain(`"durable-object": "^${ownManifest().version}"`);
  expect(project.read("src/objects/other-cart.ts")).toContain('type: "other-cart"');
  const before = project.files();
  expect((await project.cli("init", ...quietly)).stdout).toContain("nothing was changed");
  expect(project.files()).toEqual(before);

  const refused: [string[], string][] = [
    [["init", "--scheduler", "quantum"], "Allowed choices are polling, pg-boss"],
    [["new", "object", "rate_limit"], "RateLimit"],
    [["new", "object", "Map"], "MyMap"],
    [["new", "object", "Cart", "--fields", "count:inetger"], "count:integer"],
    [["new", "object", "Cart", "--fields", "a:string,a:string"], "two fields"],
    [["new", "object", "Cart", "--fields", "my-field:string"], "my-field"],
  ];
  for (const [args, message] of refused) {
    const ended = await project.cli(...args, "--json");
    expect([args, ended.code]).toEqual([args, 2]);
    expect(jsonOf(ended)).toMatchObject({ error: { message: expect.stringContaining(message) as string } });
  }
  expect(project.files()).toEqual(before);
});
