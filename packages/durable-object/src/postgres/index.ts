// `durable-object/postgres`: objects in a PostgreSQL database.
export { migrate, postgres } from "./postgres.ts";
export { importElixir } from "./import-elixir.ts";
export type { ElixirImport, ElixirImportOptions } from "./import-elixir.ts";
export type { PostgresOptions } from "./postgres-options.ts";
export type { PostgresClient, PostgresPool, PostgresQuery } from "./postgres-pool.ts";
