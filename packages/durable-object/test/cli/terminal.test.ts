/** What a person at a terminal sees besides results: a bar, and questions. */

import { Readable, Writable } from "node:stream";
import { expect, test } from "vitest";
import { run } from "../../src/cli/program.ts";
import { Progress } from "../../src/cli/progress.ts";
import { Shell } from "../../src/cli/shell.ts";
import { systemEnvironment } from "../../src/runtime/system-environment.ts";
import { write } from "../../src/testing/object-store-case.ts";
import { projectKinds } from "../support/command-project.ts";

class Screen extends Writable {
  readonly isTTY: boolean;
  text = "";

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** A terminal at which somebody types; `answers` is what. */
function terminal(cwd: string, answers = "", isTTY = true) {
  const stdin: Readable & { isTTY?: boolean } = Readable.from([answers]);
  stdin.isTTY = isTTY;
  return { cwd, env: {}, stdin, stdout: new Screen(isTTY), stderr: new Screen(isTTY) };
}

test("a bar is drawn on a terminal and wiped away, and nowhere else", () => {
  const shown = terminal("/");
  const bar = new Progress(new Shell(shown), "Checking", 4);
  bar.step(2);
  expect(shown.stderr.text).toMatch(/Checking \[█{15}·{15}\] 50 % 2 of 4$/);
  bar.end();
  expect(shown.stderr.text.endsWith("\r\u001b[K")).toBe(true);
  expect(shown.stdout.text).toBe("");

  const piped = terminal("/", "", false);
  const unseen = new Progress(new Shell(piped), "Checking", 4);
  unseen.step(2);
  unseen.end();
  expect(piped.stderr.text).toBe("");
});

test("deleting asks, and only yes is yes", async () => {
  const project = projectKinds[0]?.create();
  if (project === undefined) throw new Error("there is a project of SQLite");
  const store = await project.open().open({ environment: systemEnvironment, node: "tester" });
  await store.commit({ number: store.lastNumber + 1, at: 1, writes: [write("a")] });
  await store.close();
  const args = ["delete", "counter", "a"];
  for (const [answer, code] of [
    ["n\n", 4],
    ["\n", 4],
    ["y\n", 0],
  ] as const) {
    const asked = terminal(project.cwd, answer);
    expect(await run(args, asked, "0.0.0")).toBe(code);
    expect(asked.stderr.text).toContain('Delete 1 object of the type "counter"');
  }
  expect((await project.cli("get", "counter", "a")).code).toBe(1);
});
