/** `export` and `import`: nothing is lost on the way, whatever store it goes through, and nothing wrong comes in. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ObjectWrite } from "../../src/ports/object-store.ts";
import type { InspectableStore } from "../../src/ports/store-inspector.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";
import { write } from "../../src/testing/object-store-case.ts";
import { commandLine, jsonOf } from "../support/command-line.ts";
import { projectKinds, type CommandProject } from "../support/command-project.ts";

const head = '{"format":"durable-object-export","version":1}';
const tail = '{"end":true}';

async function commit(project: CommandProject, ...batches: readonly (readonly ObjectWrite[])[]): Promise<void> {
  const store = await project.open().open({ environment: systemEnvironment, node: "tester" });
  for (const writes of batches) await store.commit({ number: store.lastNumber + 1, at: 1, writes });
  await store.close();
}

/** Objects of all kinds: types and tenants, states of older versions, none, alarms that repeat, failed and died. */
async function fill(project: CommandProject): Promise<void> {
  const set = { change: "set", dueAt: 1_000, payload: null, rule: null } as const;
  const attempted = { change: "attempted", generation: 1, dueAt: 99_000, attempts: 3, lastError: "no\nway" } as const;
  const of = (id: string, type = "counter", tenant = ""): { tenant: string; type: string; id: string } => {
    return { tenant, type, id };
  };
  await commit(
    project,
    [
      write(of("a"), { state: '{"n":1,"text":"ü\u2028 \\u0001 \\"","list":[1.5,null]}', stateVersion: 3 }),
      write(of("b"), {
        state: null,
        alarms: [
          { ...set, name: "once" },
          { ...set, name: "often", payload: '{"to":[1]}', rule: '{"cron":"0 8 * * *","timeZone":"Europe/Berlin"}' },
          { ...set, name: "tried", payload: "null", rule: '{"every":60000}' },
          { ...set, name: "dead" },
        ],
      }),
      write(of("𐐷", "Other.type"), { state: '{"is":"above the plane"}' }),
      write(of("ﬀ", "Other.type"), { state: "{}", alarms: [{ ...set, name: "ring" }] }),
      write(of("a", "counter", "acme"), { state: '{"n":2}' }),
      write(of("gone"), { state: "{}" }),
    ],
    [
      write(of("b"), {
        state: null,
        baseRevision: 1,
        alarms: [
          { ...attempted, name: "tried", status: "set" },
          { ...attempted, name: "dead", status: "dead" },
        ],
      }),
      write(of("gone"), { baseRevision: 1, deleted: true }),
    ],
  );
}

/** All that is stored, apart from what an import sets anew. */
async function everything(project: CommandProject): Promise<unknown> {
  const inspector = await (project.open() as unknown as InspectableStore).inspect();
  const all = { tenant: null, type: null, id: null, status: null, after: null, limit: 1_000 };
  const objects = await inspector.objects(all);
  const alarms = await inspector.alarms(all);
  await inspector.close();
  return {
    objects: objects.map(({ address, state, stateVersion }) => [
      address,
      state === null ? null : JSON.parse(state),
      state === null ? null : stateVersion,
    ]),
    alarms: alarms.map((alarm) => ({ ...alarm, generation: 0 })),
  };
}

const pairs = projectKinds.flatMap((from) => projectKinds.map((to) => ({ from, to })));

describe.each(pairs)("from $from.name to $to.name", ({ from, to }) => {
  test("all of it arrives, and goes back the same", async () => {
    const [first, second, third] = [from.create(), to.create(), from.create()];
    await fill(first);
    const out = await first.cli("export", "-o", "all.jsonl", "--json");
    expect(jsonOf(out)).toMatchObject({ objects: 5, alarms: 5, unreadable: [] });
    const file = join(first.cwd, "all.jsonl");
    const text = readFileSync(file, "utf8");
    expect(jsonOf(await second.cli("import", file, "--json"))).toEqual({ imported: 5, skipped: 0, alarms: 5 });
    expect(await everything(second)).toEqual(await everything(first));

    const back = await second.cli("export");
    expect(back.stderr).toContain("Exported 5 objects and 5 alarms");
    const piped = commandLine({ cwd: third.cwd, input: back.stdout });
    expect(await piped("import")).toMatchObject({ code: 0, stdout: "Imported 5 objects and 5 alarms.\n" });
    expect(await everything(third)).toEqual(await everything(first));
    if (from === to) {
      const states = (lines: string): unknown[] =>
        lines.split("\n").map((line) => /"state":.*,"stateV/.exec(line)?.[0]);
      expect(states(back.stdout)).toEqual(states(text));
    }
  });
});

describe.each(projectKinds)("on $name", (kind) => {
  test("objects that exist are refused, left or replaced", async () => {
    const project = kind.create();
    await fill(project);
    await project.cli("export", "-o", "all.jsonl");
    const before = await everything(project);
    const refused = await project.cli("import", "all.jsonl");
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(/^EXISTS: .*all\.jsonl, line 2: Other\.type\/ﬀ exists already.*--overwrite/);
    expect((await project.cli("import", "all.jsonl", "--skip-existing")).stdout).toContain("5 objects existed");
    expect(await everything(project)).toEqual(before);

    const alarm = { change: "set", name: "more", dueAt: 1, payload: null, rule: null } as const;
    const address = { tenant: "", type: "counter", id: "b" };
    await commit(project, [write(address, { baseRevision: 2, state: '{"n":9}', alarms: [alarm] })]);
    expect(await project.cli("import", "all.jsonl", "--overwrite")).toMatchObject({ code: 0 });
    expect(await everything(project)).toEqual(before);
    expect((await project.cli("import", "all.jsonl", "--overwrite", "--skip-existing")).code).toBe(2);
  });

  test("an import that was cut off between its two commits is made up for", async () => {
    const project = kind.create();
    const alarm = { name: "ring", dueAt: 9, scheduledAt: 5, attempts: 12, status: "dead", lastError: "no", rule: null };
    const line = JSON.stringify({ type: "counter", id: "a", state: { n: 1 }, alarms: [alarm] });
    const cli = commandLine({ cwd: project.cwd, input: `${head}\n${line}\n${tail}\n` });
    const set = { change: "set", name: "ring", dueAt: 5, payload: null, rule: null } as const;
    await commit(project, [write("a", { state: '{"n":1}', alarms: [set] })]);
    expect((await cli("import", "--skip-existing")).code).toBe(0);
    expect(await everything(project)).toMatchObject({ alarms: [{ ...alarm, payload: null }] });
    // Once more changes nothing: the object has been written since.
    expect((await cli("import", "--skip-existing")).code).toBe(0);
    expect(jsonOf(await project.cli("get", "counter", "a", "--json"))).toMatchObject({ revision: 2 });
  });

  test("20,000 objects go out, and come in elsewhere", async () => {
    const [first, second] = [kind.create(), kind.create()];
    const ids = Array.from({ length: 20_000 }, (_, index) => `object-${index}`);
    const batches = Array.from({ length: 10 }, (_, index) =>
      ids.slice(index * 2_000, (index + 1) * 2_000).map((id) => write(id, { state: '{"count":1}' })),
    );
    await commit(first, ...batches);
    expect(await first.cli("export", "-o", "all.jsonl")).toMatchObject({ code: 0 });
    const imported = await second.cli("import", join(first.cwd, "all.jsonl"), "--json");
    expect(jsonOf(imported)).toEqual({ imported: 20_000, skipped: 0, alarms: 0 });
    expect(jsonOf(await second.cli("ls", "--json"))).toMatchObject([{ objects: 20_000 }]);
  });
});

describe("what cannot be imported", () => {
  const [kind] = projectKinds;
  const lines: readonly (readonly [string, string, RegExp])[] = [
    ["no format", '{"id":"a"}', /line 1: it must say what this is/],
    ["another version", '{"format":"durable-object-export","version":2}', /line 1: version 2 of the format/],
    ["no JSON", `${head}\n{"type":`, /line 2: it is not a JSON object/],
    ["no type", `${head}\n{"id":"a"}`, /line 2: type must be a text/],
    ["a wrong type", `${head}\n{"type":"a b","id":"a"}`, /line 2: a type consists of/],
    ["a wrong id", `${head}\n{"type":"t","id":" "}`, /line 2: .*id/],
    ["a wrong state", `${head}\n\n{"type":"t","id":"a","state":5}`, /line 3: state must be/],
    [
      "a wrong rule",
      `${head}\n{"type":"t","id":"a","alarms":[{"name":"r","dueAt":1,"rule":{"cron":"x"}}]}`,
      /rule cannot/,
    ],
    ["a wrong time", `${head}\n{"type":"t","id":"a","alarms":[{"name":"r","dueAt":"soon"}]}`, /alarms\[0\]\.dueAt/],
    ["no end", `${head}\n{"type":"t","id":"a","state":{}}`, /without \{"end":true\}/],
    ["two exports", `${head}\n${head}\n`, /line 2: another export begins here/],
    ["nothing", "", /without/],
  ];
  test.each(lines)("%s: the line is named, and nothing is written", async (_, text, message) => {
    const project = (kind as NonNullable<typeof kind>).create();
    writeFileSync(join(project.cwd, "in.jsonl"), text);
    const ended = await project.cli("import", "in.jsonl");
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(ended.stderr).toMatch(message);
    expect(existsSync(join(project.cwd, "app.db"))).toBe(false);
  });

  test("a file that is not there, and one that is there already", async () => {
    const project = (kind as NonNullable<typeof kind>).create();
    expect(await project.cli("import", "missing.jsonl")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^NOT_READ: .*missing\.jsonl cannot be read/),
    });
    writeFileSync(join(project.cwd, "all.jsonl"), "mine");
    expect((await project.cli("export", "-o", "all.jsonl")).stderr).toMatch(/^FILE_EXISTS/);
    expect(readFileSync(join(project.cwd, "all.jsonl"), "utf8")).toBe("mine");
    expect((await project.cli("export", "-o", "no/such/directory")).code).toBe(3);
    expect((await project.cli("import", ".")).stderr).toMatch(/^NOT_READ/);
  });

  test("of a pipe, what came before the wrong line is imported, and told", async () => {
    const project = (kind as NonNullable<typeof kind>).create();
    const good = Array.from({ length: 600 }, (_, index) => `{"type":"counter","id":"${index}","state":{}}`);
    const piped = (text: string) => commandLine({ cwd: project.cwd, input: text })("import", "--skip-existing");
    const ended = await piped([head, ...good, "oops"].join("\n"));
    expect(ended).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/line 602: .*500 objects before it are imported/),
    });
    expect(await piped([head, ...good, tail].join("\n"))).toMatchObject({
      stdout: "Imported 100 objects and 0 alarms; 500 objects existed and were left.\n",
    });
  });
});
