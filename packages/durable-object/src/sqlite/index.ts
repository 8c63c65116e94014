// `durable-object/sqlite`: objects in one SQLite file, owned by one process.
export { sqlite } from "./sqlite.ts";
export type { SqliteOptions } from "./sqlite-options.ts";
