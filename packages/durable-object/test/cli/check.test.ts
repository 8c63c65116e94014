/** `check`: every row that the code could not load or fire is found, and no other. */

import { describe, expect, test } from "vitest";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";
import { write } from "../../src/testing/object-store-case.ts";
import { jsonOf } from "../support/command-line.ts";
import { projectKinds } from "../support/command-project.ts";
import { changeFile } from "../support/sqlite-schema.ts";

interface Checked {
  readonly errors: number;
  readonly warnings: number;
  readonly types: readonly unknown[];
  readonly problems: readonly { readonly code: string; readonly object: string; readonly problem: string }[];
}

const before = `
  const refuse = (value) => ({ issues: [{ message: "no number", path: ["n"] }] });
  const schema = { "~standard": { version: 1, vendor: "test", validate: (value) =>
    value.n === undefined || typeof value.n === "number" ? { value: { n: value.n ?? 0 } } : refuse(value) } };
  const handlers = {};
  const migrate = { 1: (old) => { if (old.bad) throw new Error("cannot be migrated"); return old; } };
  const versioned = library.defineObject({ type: "versioned", version: 2, migrate, state: { n: 0 }, handlers });
  const strict = library.defineObject({ type: "strict", state: schema, handlers });
  const alarms = { ring: ({ state }) => library.noreply(state) };
  const counter = library.defineObject({ type: "counter", state: { count: 0, note: "" }, handlers, alarms });
`;
const options = "objects: [versioned, strict, counter], maxStateBytes: 64";

describe.each(projectKinds)("on $name", (kind) => {
  test("what would not load is named, with why; the rest is counted", async () => {
    const project = kind.create({ before, options });
    const store = await project.open().open({ environment: systemEnvironment, node: "tester" });
    const of = (type: string, id: string) => ({ tenant: "", type, id });
    const alarm = { change: "set", name: "ring", dueAt: 1, payload: null, rule: null } as const;
    const writes = [
      write(of("versioned", "good")),
      write(of("versioned", "throws"), { state: '{"bad":true}' }),
      write(of("versioned", "new"), { stateVersion: 3 }),
      write(of("strict", "good"), { state: '{"n":1}' }),
      write(of("strict", "refused"), { state: '{"n":"one"}' }),
      write(of("counter", "good"), { alarms: [alarm, { ...alarm, name: "gone" }] }),
      write(of("counter", "rules"), { alarms: [{ ...alarm, rule: '{"cron":"61 * * * *"}' }] }),
      write(of("counter", "large"), { state: JSON.stringify({ note: "x".repeat(60) }) }),
      write(of("conter", "a"), { alarms: [alarm] }),
    ];
    await store.commit({ number: store.lastNumber + 1, at: 1, writes });
    // The application may be running.
    const ended = await project.cli("check", "--json");
    await store.close();
    expect(ended.code).toBe(1);
    const { problems, ...counts } = jsonOf(ended) as Checked;
    expect(problems.map(({ code, object }) => `${code} ${object}`)).toEqual([
      "STATE_TOO_LARGE counter/large",
      "STATE_UNREADABLE strict/refused",
      "STATE_TOO_NEW versioned/new",
      "STATE_UNREADABLE versioned/throws",
      'UNKNOWN_ALARM counter/good alarm "gone"',
      'INVALID_RULE counter/rules alarm "ring"',
      "UNKNOWN_TYPE conter",
    ]);
    const why = problems.map(({ problem }) => problem).join("\n");
    for (const reason of ["no number", "version 3", "cannot be migrated", "maxStateBytes is 64", "61"]) {
      expect(why).toContain(reason);
    }
    expect(counts).toMatchObject({
      objects: 9,
      alarms: 4,
      errors: 5,
      warnings: 2,
      types: [
        { type: "conter", known: false, objects: 1, alarms: 1, errors: 0, warnings: 1 },
        { type: "counter", known: true, objects: 3, alarms: 3, errors: 2, warnings: 1 },
        { type: "strict", known: true, objects: 2, errors: 1 },
        { type: "versioned", known: true, objects: 3, errors: 2 },
      ],
    });
    const words = await project.cli("check", "--limit", "2");
    expect(words.stdout).toMatch(/^error STATE_UNREADABLE strict\/refused: .*no number/m);
    expect(words.stdout).toMatch(/^and 5 more problems: --limit or --all/m);
    expect(words.stdout).toMatch(/5 errors: do not deploy/);
    expect((await project.cli("check", "--all")).stdout).not.toContain("more problem");
    expect((await project.cli("check", "--type", "strict")).stdout).toMatch(/Read 2 objects/);
    expect((await project.cli("check", "--type", "strct")).stderr).toContain('Did you mean "strict"?');
  });

  test("what works is fine", async () => {
    const project = kind.create();
    expect(await project.cli("check")).toMatchObject({ code: 0, stdout: expect.stringContaining("Read 0 objects") });
    const store = await project.open().open({ environment: systemEnvironment, node: "tester" });
    const writes = Array.from({ length: 700 }, (_, index) => write(`${index}`, { state: '{"count":1}' }));
    await store.commit({ number: store.lastNumber + 1, at: 1, writes });
    await store.close();
    const ended = await project.cli("check");
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).toMatch(/^Read 700 objects and 0 alarms in .*: all of it works with this code\.$/m);
  });
});

test("a state that somebody broke by hand is found, shown as it is, and left out of an export", async () => {
  const project = projectKinds[0]?.create();
  if (project === undefined) throw new Error("there is a project of SQLite");
  const store = await project.open().open({ environment: systemEnvironment, node: "tester" });
  await store.commit({ number: 1 + store.lastNumber, at: 1, writes: [write("a"), write("b")] });
  await store.close();
  changeFile(`${project.cwd}/app.db`, `UPDATE durable_objects SET state = '{"count":' WHERE id = 'a'`);
  expect(await project.cli("check")).toMatchObject({ code: 1, stdout: expect.stringContaining("counter/a") });
  expect((await project.cli("ls", "counter")).stdout).toMatch(/^a .*\{"count":$/m);
  expect((await project.cli("get", "counter", "a")).code).toBe(0);
  const exported = await project.cli("export");
  expect(exported).toMatchObject({ code: 1, stderr: expect.stringContaining("counter/a") });
  expect(exported.stdout.split("\n")).toHaveLength(4);
});
