/** The command line as a process: it ends when the command is over, whatever the configuration has left open. */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { emptyProject } from "../support/project.ts";

test("a configuration with a server that nobody closes: the command prints its result and ends", async () => {
  const { directory, write } = emptyProject();
  const source = (path: string): string => JSON.stringify(join(import.meta.dirname, "../../src", path));
  write(
    "durable-object.config.ts",
    `import { createServer } from "node:net";
     import { defineObject, reply } from ${source("index.ts")};
     import { sqlite } from ${source("sqlite/index.ts")};
     createServer().listen(0);
     const Counter = defineObject({
       type: "counter",
       state: { count: 0 },
       handlers: { add: ({ state }) => reply(state.count + 1, { count: state.count + 1 }) },
     });
     export default { objects: [Counter], store: sqlite("app.db") };`,
  );
  const program = join(directory, "run.ts");
  write("run.ts", `import { main } from ${source("cli/main.ts")};\nawait main();\n`);
  const run = (...args: readonly string[]) =>
    new Promise<{ readonly code: number; readonly stdout: string }>((resolve) => {
      const child = execFile(process.execPath, [program, ...args], { cwd: directory }, (_error, stdout) =>
        resolve({ code: child.exitCode ?? -1, stdout }),
      );
    });
  expect(await run("call", "counter", "a", "add", "--json")).toEqual({ code: 0, stdout: '{"result":1}\n' });
  expect(await run("get", "counter", "b")).toMatchObject({ code: 1 });
});
