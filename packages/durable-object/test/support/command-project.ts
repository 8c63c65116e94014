/** A project that commands are tried on: a configuration, a store with something in it, and the command line there. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { onTestFinished } from "vitest";
import { createRuntime, type Runtime } from "../../src/index.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import { postgres } from "../../src/postgres/index.ts";
import { sqlite } from "../../src/sqlite/index.ts";
import { temporaryDirectory } from "../fixtures/sqlite-fixture.ts";
import { commandLine, type Ended } from "./command-line.ts";
import { Counter } from "./counter.ts";
import { borrowedSchema, hasPostgres, postgresUrl } from "./postgres-place.ts";

const source = pathToFileURL(join(import.meta.dirname, "../../src/")).href;
const counter = pathToFileURL(join(import.meta.dirname, "counter.ts")).href;

/** A project. */
export interface CommandProject {
  readonly cwd: string;
  /** Runs a command there. */
  readonly cli: (...args: readonly string[]) => Promise<Ended>;
  /** The options that name its store, without the configuration. */
  readonly store: readonly string[];
  open(): ObjectStore;
  /** Runs the application, and stops it. */
  withApplication(use: (runtime: Runtime) => Promise<void>): Promise<void>;
}

/** A kind of store that a project may have. */
export interface ProjectKind {
  readonly name: string;
  /** @param configuration - more of the configuration: imports and options, instead of counters alone */
  create(configuration?: { readonly before?: string; readonly options?: string }): CommandProject;
}

function project(
  store: readonly string[],
  text: string,
  open: () => ObjectStore,
  cwd: string,
  { before = "", options = "objects: [Counter]" }: { readonly before?: string; readonly options?: string } = {},
): CommandProject {
  writeFileSync(
    join(cwd, "durable-object.config.mjs"),
    `import * as library from "${source}index.ts";
     import { sqlite } from "${source}sqlite/index.ts";
     import { postgres } from "${source}postgres/index.ts";
     import { Counter } from "${counter}";
     ${before}
     export default { store: ${text}, ${options} };`,
  );
  return {
    cwd,
    cli: commandLine({ cwd }),
    store,
    open,
    async withApplication(use) {
      const runtime = await createRuntime({ objects: [Counter], store: open() });
      onTestFinished(() => runtime.stop());
      await use(runtime);
      await runtime.stop();
    },
  };
}

const onSqlite: ProjectKind = {
  name: "sqlite",
  create(configuration) {
    const cwd = temporaryDirectory();
    const path = join(cwd, "app.db");
    const text = `sqlite(${JSON.stringify(path)}, { synchronous: "normal" })`;
    return project(["--store", "app.db"], text, () => sqlite(path, { synchronous: "normal" }), cwd, configuration);
  },
};

const onPostgres: ProjectKind = {
  name: "postgres",
  create(configuration) {
    const schema = borrowedSchema();
    const url = postgresUrl();
    const text = `postgres(${JSON.stringify(url)}, { schema: ${JSON.stringify(schema)} })`;
    const open = (): ObjectStore => postgres(url, { schema });
    return project(["--store", url, "--schema", schema], text, open, temporaryDirectory(), configuration);
  },
};

/** Every kind of store there is on this machine. */
export const projectKinds: readonly ProjectKind[] = [onSqlite, ...(hasPostgres ? [onPostgres] : [])];
