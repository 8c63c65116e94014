/** `ls`, `get`, `alarms`, `call`, `redrive` and `delete`, on real stores. */

import { describe, expect, test } from "vitest";
import { write } from "../../src/testing/object-store-case.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";
import type { ObjectWrite } from "../../src/ports/object-store.ts";
import { commandLine, jsonOf } from "../support/command-line.ts";
import { projectKinds, type CommandProject } from "../support/command-project.ts";
import { Counter } from "../support/counter.ts";

/** Writes something that no definition has to know. */
async function commit(project: CommandProject, ...batches: readonly (readonly ObjectWrite[])[]): Promise<void> {
  const store = await project.open().open({ environment: systemEnvironment, node: "tester" });
  for (const writes of batches) await store.commit({ number: store.lastNumber + 1, at: 1, writes });
  await store.close();
}

const set = { change: "set", name: "ring", dueAt: 1, payload: null, rule: null } as const;
const dead = {
  change: "attempted",
  name: "ring",
  generation: 1,
  dueAt: 5,
  attempts: 12,
  status: "dead",
  lastError: "no\u001b[31m way",
} as const;

/** Objects with a dead alarm, of a type that the application does not know. */
async function withDead(project: CommandProject, ...ids: readonly string[]): Promise<void> {
  await commit(
    project,
    ids.map((id) => write({ tenant: "", type: "test", id }, { state: '{"count":3}', alarms: [set] })),
    ids.map((id) => write({ tenant: "", type: "test", id }, { baseRevision: 1, alarms: [dead] })),
  );
}

describe.each(projectKinds)("on $name", (kind) => {
  test("types, objects and one object are shown while the application runs", async () => {
    const project = kind.create();
    expect(await project.cli("ls")).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Nothing is stored in /) });
    await project.withApplication(async (runtime) => {
      for (const id of ["a", "b", "c"]) await runtime.get(Counter, id).increment(4);
      await runtime.get(Counter, "z", { tenant: "acme" }).countAndRemind(3_600_000);
      const types = await project.cli("ls");
      expect(types.stdout.split("\n").map((line) => line.split(/ +/))).toEqual([
        ["TYPE", "TENANT", "OBJECTS", "ALARMS", "DEAD"],
        ["counter", "-", "3", "0", "0"],
        ["counter", "acme", "1", "1", "0"],
        [""],
      ]);
      expect(jsonOf(await project.cli("ls", "--json", "--tenant", "acme", ...project.store))).toEqual([
        { tenant: "acme", type: "counter", objects: 1, alarms: 1, dead: 0 },
      ]);

      const page = await project.cli("ls", "counter", "--limit", "2");
      expect(page.stdout).toMatch(/^a +1 +1\d B +20\S+Z +\{"count": ?4\}$/m);
      expect(page.stderr).toContain('--after "b"');
      const next = jsonOf(await project.cli("ls", "counter", "--limit", "2", "--after", "b", "--json"));
      expect(next).toMatchObject({ objects: [{ id: "c", revision: 1, state: { count: 4 } }], next: null });

      const one = await project.cli("get", "counter", "z", "--tenant", "acme");
      expect(one.stdout).toMatch(/revision 1, version 1/);
      expect(one.stdout).toMatch(/^ring +counter\/z \(acme\) +20\S+Z +once +0$/m);
      const state = await project.cli("get", "counter", "a", "--state");
      expect(state).toMatchObject({ code: 0, stdout: '{\n  "count": 4\n}\n', stderr: "" });
      expect(jsonOf(await project.cli("get", "counter", "z", "--tenant", "acme", "--json"))).toMatchObject({
        id: "z",
        state: { count: 1 },
        alarms: [{ name: "ring", status: "set", attempts: 0 }],
      });
      const alarms = jsonOf(await project.cli("alarms", "counter", "z", "--json"));
      expect(alarms).toMatchObject({ alarms: [{ tenant: "acme", name: "ring" }], more: false });
    });
  });

  test("what is not there is told with what was meant", async () => {
    const project = kind.create();
    await project.withApplication(async (runtime) => void (await runtime.get(Counter, "a").increment()));
    const missing = await project.cli("get", "counter", "nobody");
    expect(missing).toMatchObject({ code: 1, stdout: "" });
    expect(missing.stderr).toMatch(/^NOT_FOUND: counter\/nobody does not exist in /);
    expect((await project.cli("ls", "conter")).stderr).toContain('Did you mean "counter"?');
    const type = await project.cli("call", "countr", "a", "get");
    expect(type).toMatchObject({ code: 2, stderr: expect.stringContaining('Did you mean "counter"?') });
    const handler = await project.cli("call", "counter", "a", "incremnt");
    expect(handler).toMatchObject({ code: 2, stderr: expect.stringContaining('Did you mean "increment"?') });
    expect(JSON.parse((await project.cli("get", "counter", "nobody", "--json")).stdout)).toMatchObject({
      error: { code: "NOT_FOUND" },
    });
  });

  test("a call changes the object and prints the result; alarms that are due do not fire", async () => {
    const project = kind.create();
    await commit(project, [write("a", { state: '{"count":1}', alarms: [set] })]);
    expect(await project.cli("call", "counter", "a", "increment", "5")).toMatchObject({ code: 0, stdout: "6\n" });
    expect(await project.cli("call", "counter", "a", "increment", "-2")).toMatchObject({ code: 0, stdout: "4\n" });
    expect(jsonOf(await project.cli("call", "counter", "a", "increment", "--args", "[10]", "--json"))).toEqual({
      result: 14,
    });
    const keyed = ["call", "counter", "a", "increment", "--idempotency-key", "k", "--timeout", "20s"];
    expect([(await project.cli(...keyed)).stdout, (await project.cli(...keyed)).stdout]).toEqual(["15\n", "15\n"]);
    expect(await project.cli("call", "counter", "a", "reset")).toMatchObject({ code: 0, stdout: "done\n" });
    const alarms = jsonOf(await project.cli("alarms", "--json"));
    expect(alarms).toMatchObject({ alarms: [{ name: "ring", attempts: 0 }] });

    const refused = await project.cli("call", "counter", "a", "refuse");
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(/^HANDLER_FAILED: counter\/a.*seen/);
    expect((await project.cli("call", "counter", "a", "crash")).stderr).toMatch(/^HANDLER_CRASHED: .*crashed at 0/);
    for (const wrong of [
      ["--args", "5"],
      ["--args", "[1]", "2"],
      ["--timeout", "soon"],
      ["--wait", "never"],
    ]) {
      expect((await project.cli("call", "counter", "a", "increment", ...wrong)).code).toBe(2);
    }
  });

  test("the owner is named where there is one, and nothing is changed", async () => {
    const project = kind.create();
    await project.withApplication(async (runtime) => {
      await runtime.get(Counter, "a").increment();
      for (const command of [["call", "counter", "a", "increment"], ["delete", "counter", "a", "--yes"], ["import"]]) {
        const ended = await project.cli(...command, "--wait", "0s");
        expect(ended).toMatchObject({ code: 3, stdout: "" });
        expect(ended.stderr).toMatch(new RegExp(`^STORE_LOCKED: .*pid ${process.pid} .*--wait`));
      }
      expect(await runtime.get(Counter, "a").get()).toBe(1);
    });
  });

  test("a call waits for the owner that goes", async () => {
    const project = kind.create();
    await project.withApplication(async (runtime) => {
      const call = project.cli("call", "counter", "a", "increment", "--wait", "60s");
      await runtime.stop();
      expect(await call).toMatchObject({ code: 0, stdout: "1\n" });
    });
  });

  test("dead alarms are shown, and tried again: one, of an object, all", async () => {
    const project = kind.create();
    await withDead(project, "a", "b", "c");
    const shown = await project.cli("alarms", "--dead");
    expect(shown.stdout).toMatch(/^ring +test\/a +\S+Z +dead +12 +no \[31m way$/m);
    expect(jsonOf(await project.cli("redrive", "test", "a", "ring", "--json"))).toEqual({ redriven: 1 });
    const again = await project.cli("redrive", "test", "a");
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining("fire by themselves") });
    expect((await project.cli("redrive", "test")).code).toBe(2);
    expect((await project.cli("redrive", "test", "--all")).stdout).toBe("2 dead alarms will be tried again.\n");
    expect((await project.cli("alarms", "--dead")).stdout).toBe("No dead alarms.\n");
    expect(jsonOf(await project.cli("alarms", "test", "--json"))).toMatchObject({
      alarms: [{ attempts: 0 }, { attempts: 0 }, { attempts: 0 }],
    });
  });

  test("objects of any type are deleted, once somebody said yes", async () => {
    const project = kind.create();
    await withDead(project, "a", "b");
    const asked = await project.cli("delete", "test", "a");
    expect(asked).toMatchObject({ code: 4, stderr: expect.stringContaining("--yes") });
    const deleted = await project.cli("delete", "test", "a", "nobody", "--yes", ...project.store);
    expect(deleted).toMatchObject({ code: 0, stdout: "Deleted 1 object.\n" });
    expect(deleted.stderr).toContain("test/nobody did not exist");
    expect(jsonOf(await project.cli("ls", "--json"))).toMatchObject([{ objects: 1, alarms: 1 }]);
    expect((await project.cli("delete", "test", "a", "--yes")).code).toBe(1);
  });
});

test("without an application a call says what it needs", async () => {
  const ended = await commandLine({ cwd: "/" })("call", "counter", "a", "get", "--store", "app.db");
  expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining("npx durable-object init") });
});
