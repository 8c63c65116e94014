/** Commands beside a cluster that runs: they have its nodes do what is asked, and own nothing. */

import { describe, expect, onTestFinished, test } from "vitest";
import { cluster, createRuntime } from "../../src/index.ts";
import { peers } from "../../src/peers/index.ts";
import { commandLine, jsonOf } from "../support/command-line.ts";
import { projectKinds } from "../support/command-project.ts";
import { Counter } from "../support/counter.ts";
import { secret } from "../support/peers-place.ts";

const kind = projectKinds.find(({ name }) => name === "postgres");

describe.skipIf(kind === undefined)("on PostgreSQL", () => {
  test("a call is answered by the node, which keeps all its slots; nobody is locked out", async () => {
    const source = new URL("../../src/peers/index.ts", import.meta.url).href;
    const project = kind?.create({
      before: `import { peers } from "${source}";`,
      options: `objects: [Counter], cluster: library.cluster({ name: "guest", transport: peers({ secret: "${secret}" }) })`,
    });
    if (project === undefined) throw new Error("there is a project");
    const runtime = await createRuntime({
      objects: [Counter],
      store: project.open(),
      cluster: cluster({ name: "app", transport: peers({ secret }) }),
    });
    onTestFinished(() => runtime.stop());
    const counter = runtime.get(Counter, "a");
    await counter.increment(2);
    await counter.alarms.schedule("ring", "1h");

    expect(await project.cli("call", "counter", "a", "increment", "5")).toMatchObject({ code: 0, stdout: "7\n" });
    expect(await counter.get()).toBe(7);
    const fresh = await project.cli("call", "counter", "fresh", "increment", "--json");
    expect(jsonOf(fresh)).toEqual({ result: 1 });
    expect(runtime.locate(Counter, "fresh")).toMatchObject({ node: runtime.node, phase: "active" });
    expect(runtime.cluster.status()).toMatchObject({ freeSlots: 0 });
    expect(runtime.cluster.status().nodes.find(({ isMe }) => isMe)?.slots).toBe(1024);

    expect(await project.cli("delete", "counter", "a", "--yes")).toMatchObject({ code: 0 });
    expect(await counter.get()).toBe(0);

    // Without the configuration nobody knows how to reach the nodes.
    const locked = await commandLine({ cwd: "/" })(
      "delete",
      "counter",
      "fresh",
      "--yes",
      "--wait",
      "0s",
      ...project.store,
    );
    expect(locked).toMatchObject({ code: 3, stderr: expect.stringContaining("--config") });
  });

  test("where no node runs, the command is the node, and fires nothing", async () => {
    const source = new URL("../../src/peers/index.ts", import.meta.url).href;
    const project = kind?.create({
      before: `import { peers } from "${source}";`,
      options: `objects: [Counter], cluster: library.cluster({ name: "alone", transport: peers({ secret: "${secret}" }) })`,
    });
    if (project === undefined) throw new Error("there is a project");
    expect(await project.cli("call", "counter", "a", "countAndRemind", "0")).toMatchObject({ code: 0, stdout: "1\n" });
    expect(await project.cli("call", "counter", "a", "get")).toMatchObject({ code: 0, stdout: "1\n" });
    expect(jsonOf(await project.cli("alarms", "--json"))).toMatchObject({ alarms: [{ name: "ring", attempts: 0 }] });
  });
});
