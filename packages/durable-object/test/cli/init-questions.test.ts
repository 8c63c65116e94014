/** What `init` asks at a terminal: only what no option has said; whoever leaves has changed nothing. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { run } from "../../src/cli/program.ts";
import { emptyProject } from "../support/project.ts";

/** Runs `init` before somebody who answers each question, when it is asked, with a key. */
async function initWith(
  cwd: string,
  args: readonly string[],
  answers: readonly (readonly [question: string, keys: string])[],
): Promise<{ readonly code: number; readonly asked: number }> {
  const terminal = (): PassThrough & { isTTY: boolean } =>
    Object.assign(new PassThrough(), { isTTY: true, columns: 80, rows: 24, setRawMode: () => {} });
  const [stdin, stdout, stderr] = [terminal(), terminal(), terminal()];
  stdout.resume();
  let shown = "";
  let asked = 0;
  stderr.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
    const [question, keys] = answers[asked] ?? ["nothing more is asked", ""];
    if (!shown.includes(question)) return;
    asked += 1;
    shown = "";
    setImmediate(() => stdin.write(keys));
  });
  const code = await run(["init", "--no-install", ...args], { cwd, env: {}, stdin, stdout, stderr }, "0.0.0");
  return { code, asked };
}

test("what no option says is asked", async () => {
  const project = emptyProject();
  const ended = await initWith(
    project.directory,
    ["--object", "Room", "--scheduler", "polling"],
    [
      ["Where are objects kept?", "\u001B[B\r"],
      ["How many processes", "\r"],
    ],
  );
  expect(ended).toEqual({ code: 0, asked: 2 });
  expect(project.read("durable-object.config.ts")).toContain("store: postgres(url)");
  expect(project.read("durable-object.config.ts")).not.toContain("cluster");
  expect(existsSync(join(project.directory, "src/objects/room.ts"))).toBe(true);
});

test("whoever leaves has changed nothing", async () => {
  const project = emptyProject();
  expect(await initWith(project.directory, [], [["What is the first object called?", "\u0003"]])).toEqual({
    code: 4,
    asked: 1,
  });
  expect(project.files()).toEqual({});
});
